"""Room on the disk, and the hash of what lies there."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from agentrt.serving.errors import DiskFull

_RESERVE = 64 << 20


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that `folder` is on, or will be on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to start what cannot end.

    Raises:
        DiskFull: Fewer than `needed` bytes, and a small reserve, are free where `folder` is.
    """
    free = free_bytes(folder)
    if free < needed + _RESERVE:
        raise disk_full(folder, f"{what} needs {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free")


def disk_full(folder: Path, why: str) -> DiskFull:
    """The error for a disk without room, saying what can be done."""
    return DiskFull(
        f"No room in {folder}: {why}. Free some space, or point AGENTRT_HOME at a larger disk, and try "
        "again; what has been fetched so far is kept."
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, whatever appears and vanishes meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except OSError:
            continue
    return total
