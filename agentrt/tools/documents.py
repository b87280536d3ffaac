"""Reading documents into passages: a folder of text and markdown files, or one JSON or JSON Lines file.

JSON files hold documents in one of three layouts, recognised by their content:

    [{"title": "…", "text": "…"}, …]                              documents; `id` and `source` may be given
    {"Title": "text", …}                                         the same, shorter
    [{"passages": {"Title": "text"}, "distractors": {…}}, …]     HotpotQA questions with their passages

A JSON Lines file holds one document of the first or third kind a line. Files are data: nothing in them
is ever run or imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agentrt.tools.errors import DocumentError

TEXT_SUFFIXES = frozenset({".txt", ".md", ".markdown"})
JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})

_HEADING = re.compile(r"#{1,6}\s+(?P<title>.*?)\s*#*\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_LONGEST = 1_500  # characters of a passage cut from a text file: about 350 tokens in a joiner's prompt


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that an answer can rest on.

    Attributes:
        title: what it is about.
        text: the passage itself.
        source: file it comes from, with line or item where there is one.
        id: the same for the same title and text, wherever they are read from.
        score: BM25 score against the query that found it; 0 outside a search.
    """

    title: str
    text: str
    source: str
    id: str = ""
    score: float = 0.0

    def __post_init__(self) -> None:
        if not self.id:
            digest = hashlib.sha256(f"{self.title}\0{self.text}".encode("utf-8", "surrogatepass")).hexdigest()
            object.__setattr__(self, "id", f"p{digest[:10]}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read before it is an error, so that a wrong path cannot fill the memory.

    Attributes:
        file_bytes: of one file.
        total_bytes: of all files of a folder together.
        passages: in all.
    """

    file_bytes: int = 64 * 2**20
    total_bytes: int = 256 * 2**20
    passages: int = 200_000


def read_passages(path: str | os.PathLike[str], limits: Limits | None = None) -> list[Passage]:
    """Reads every passage under `path`, each once, in the order of the files.

    Raises:
        DocumentError: nothing there, an unknown kind of file, not text, not valid JSON, or more than `limits`.
    """
    root, limits = Path(path), limits or Limits()
    found: dict[tuple[str, str], Passage] = {}
    for passage in _passages(root, limits):
        found.setdefault((passage.title, passage.text), passage)
        if len(found) > limits.passages:
            raise DocumentError(passage.source, f"this is passage {len(found):,}; the limit is {limits.passages:,}")
    if not found:
        raise DocumentError(str(root), "there is no passage in it; a document needs a title and a text")
    return list(found.values())


def _passages(root: Path, limits: Limits) -> Iterator[Passage]:
    if root.is_dir():
        yield from _folder(root, limits)
    elif not root.exists():
        raise DocumentError(str(root), "there is no such file or folder")
    elif root.suffix.lower() in JSON_SUFFIXES:
        yield from _json_file(root, _read(root, limits.file_bytes))
    elif root.suffix.lower() in TEXT_SUFFIXES:
        yield from _text_file(root, root.name, _read(root, limits.file_bytes))
    else:
        kinds = ", ".join(sorted(TEXT_SUFFIXES | JSON_SUFFIXES))
        raise DocumentError(
            str(root), f"this kind of file is not read; documents are {kinds} or a folder of text files"
        )


def _folder(root: Path, limits: Limits) -> Iterator[Passage]:
    files = [
        Path(folder, name)
        for folder, _, names in os.walk(root)  # does not follow links, so it cannot run in a circle
        for name in names
        if Path(name).suffix.lower() in TEXT_SUFFIXES and not name.startswith(".")
    ]
    if not files:
        raise DocumentError(str(root), f"the folder has no {', '.join(sorted(TEXT_SUFFIXES))} file")
    left = limits.total_bytes
    for file in sorted(files):
        text = _read(file, limits.file_bytes)
        left -= len(text)
        if left < 0:
            raise DocumentError(str(file), f"the folder has more than {_size(limits.total_bytes)} of text up to here")
        yield from _text_file(file, file.relative_to(root).as_posix(), text)


def _read(file: Path, most: int) -> str:
    try:
        if not file.is_file():
            raise DocumentError(str(file), "this is not a regular file")
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise DocumentError(str(file), f"cannot be read: {error.strerror or error}") from error
    if len(data) > most:
        raise DocumentError(str(file), f"larger than {_size(most)}; split it, or raise Limits.file_bytes")
    if b"\0" in data[:8192]:
        raise DocumentError(str(file), "this is a binary file, not text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"{file}:{line}", f"not UTF-8: byte 0x{data[error.start]:02x}; convert the file") from None


def _size(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count:,} bytes"


def _text_file(file: Path, shown: str, text: str) -> Iterator[Passage]:
    stem = file.stem.replace("_", " ")
    is_markdown = file.suffix.lower() != ".txt"
    title, line, held, fenced = stem, 1, list[str](), False
    for number, row in enumerate(text.splitlines(), 1):
        fenced ^= bool(_FENCE.match(row))
        heading = _HEADING.match(row) if is_markdown and not fenced else None
        if heading is None:
            held.append(row)
            continue
        yield from _pieces(title, held, shown, line)
        title, line, held = heading["title"] or stem, number + 1, []
    yield from _pieces(title, held, shown, line)


def _pieces(title: str, rows: list[str], shown: str, line: int) -> Iterator[Passage]:
    """Whole paragraphs, as many as fit into one passage."""
    held: list[str] = []
    start, length = line, 0
    for number, row in enumerate([*rows, ""], line):
        if held and not row.strip() and (length > _LONGEST // 2 or number == line + len(rows)):
            yield Passage(title, "\n".join(held).strip(), f"{shown}:{start}")
            held, length = [], 0
        elif row.strip() or held:
            if not held:
                start = number
            held.append(row)
            length += len(row)
            if length > _LONGEST:
                yield Passage(title, "\n".join(held).strip(), f"{shown}:{start}")
                held, length = [], 0


def _json_file(file: Path, text: str) -> Iterator[Passage]:
    if file.suffix.lower() == ".json":
        data = _decode(text, str(file), None)
        if isinstance(data, Mapping):
            yield from _titled(cast(Mapping[str, object], data), str(file), file.name)
        elif isinstance(data, list):
            for index, item in enumerate(cast(list[object], data)):
                yield from _documents(item, f"{file}: item {index}", f"{file.name}[{index}]")
        else:
            raise DocumentError(str(file), "holds neither a list of documents nor an object of title and text")
        return
    for number, row in enumerate(text.split("\n"), 1):
        if row.strip():
            where = f"{file}:{number}"
            yield from _documents(_decode(row, str(file), number), where, f"{file.name}:{number}")


def _decode(text: str, file: str, line: int | None) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{file}:{line or error.lineno}:{error.colno}"
        raise DocumentError(where, f"not valid JSON: {error.msg}") from None
    except RecursionError:
        raise DocumentError(f"{file}:{line or 1}", "the JSON is nested too deeply to be documents") from None


def _documents(item: object, where: str, source: str) -> Iterable[Passage]:
    if not isinstance(item, Mapping):
        raise DocumentError(where, f"a document is an object with title and text, not {_kind(item)}")
    fields = cast(Mapping[str, object], item)
    if "text" not in fields and isinstance(fields.get("passages"), Mapping):
        groups = [fields["passages"], fields.get("distractors", {})]
        return [passage for group in groups for passage in _titled(group, where, source)]
    title, text = fields.get("title"), fields.get("text")
    if not isinstance(title, str) or not isinstance(text, str):
        has = ", ".join(list(fields)[:8]) or "no fields"
        raise DocumentError(where, f'a document needs "title" and "text" as strings; this one has {has}')
    given = fields.get("source")
    name = fields.get("id")
    return [
        Passage(
            title, text, given if isinstance(given, str) else source, str(name) if isinstance(name, str | int) else ""
        )
    ]


def _titled(group: object, where: str, source: str) -> Iterator[Passage]:
    if not isinstance(group, Mapping):
        raise DocumentError(where, f"passages are an object of title and text, not {_kind(group)}")
    for title, text in cast(Mapping[str, object], group).items():
        if not isinstance(text, str):
            raise DocumentError(where, f"the text of {title!r} must be a string, not {_kind(text)}")
        yield Passage(title, text, source)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return {dict: "an object", list: "a list", str: "a string"}.get(cast(Any, type(value)), "null")
