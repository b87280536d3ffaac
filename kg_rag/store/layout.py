"""How a graph lies on disk, and the checks that tell a whole one from a broken one.

NAME/
  CURRENT              the folder of the snapshot in use; replaced atomically, last of all
  snapshots/DIGEST/
    manifest.json      format, counts, vocabulary, and the size and checksum of every file
    graph.sqlite       the records: nodes, edges, synonyms, provenance
    *.npy              the adjacency index, provenance codes and the name index
  building/            a build under way, or what a killed one left; never read
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kg_rag.errors import GraphCorrupt, GraphFormatMismatch, GraphNotFound

if TYPE_CHECKING:
    from _typeshed import StrPath

FORMAT = 2
DATABASE = "graph.sqlite"
_CHUNK = 1 << 20


def current_snapshot(root: Path) -> Path:
    """The folder of the snapshot a graph's `CURRENT` names.

    Raises:
        GraphNotFound: there is no graph at `root`.
        GraphCorrupt: `CURRENT` names a snapshot that is not there.
    """
    try:
        name = (root / "CURRENT").read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        if (root / "building").exists():
            raise GraphCorrupt(root, "its first build never finished") from None
        siblings = root.parent.glob("*/CURRENT") if root.parent.is_dir() else ()
        raise GraphNotFound(root, [path.parent.name for path in siblings]) from None
    folder = root / "snapshots" / name
    # A name with a separator would lead out of the graph's own folder.
    if not name or Path(name).name != name or not folder.is_dir():
        raise GraphCorrupt(root, f"its snapshot {name!r} is missing")
    return folder


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a snapshot, once it and the files it lists have been checked for format and size.

    Raises:
        GraphFormatMismatch: another version of this package wrote it.
        GraphCorrupt: it, or a file it lists, is missing, unreadable or of another size.
    """
    try:
        data: object = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise GraphCorrupt(folder, f"its manifest cannot be read ({error})") from error
    if not isinstance(data, dict):
        raise GraphCorrupt(folder, "its manifest is not an object")
    manifest = cast(Mapping[str, Any], data)
    if manifest.get("format") != FORMAT:
        raise GraphFormatMismatch(folder, manifest.get("format"), FORMAT)
    try:
        listed = {str(name): int(entry["bytes"]) for name, entry in manifest["files"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GraphCorrupt(folder, f"its manifest lists no files ({error!r})") from error
    for name, size in listed.items():
        try:
            found = (folder / name).stat().st_size
        except OSError:
            raise GraphCorrupt(folder, f"{name} is missing") from None
        if found != size:
            raise GraphCorrupt(folder, f"{name} has {found} bytes, not {size}")
    return manifest


def verify_checksums(folder: Path) -> None:
    """Reads every file of a snapshot and compares its checksum with the manifest's.

    Raises:
        GraphCorrupt: a file was changed after it was built.
    """
    for name, entry in read_manifest(folder)["files"].items():
        if checksum(folder / name) != entry["crc32"]:
            raise GraphCorrupt(folder, f"{name} was changed after it was built")


def checksum(path: Path) -> int:
    """The CRC-32 of a file."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def write_manifest(folder: Path, fields: Mapping[str, object]) -> None:
    """Writes the manifest of a finished snapshot: `fields`, and size and checksum of every file beside it."""
    files = {
        path.name: {"bytes": path.stat().st_size, "crc32": checksum(path)}
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"
    }
    text = json.dumps({"format": FORMAT, **fields, "files": files}, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text, "utf-8")


def publish(root: Path, snapshot: str) -> None:
    """Makes `snapshot` the one in use. The old one stays in use until the very rename."""
    draft = root / "CURRENT.new"
    with draft.open("w", encoding="utf-8") as file:
        file.write(snapshot)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(root / "CURRENT")
    _sync_folder(root)


def _sync_folder(path: StrPath) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
