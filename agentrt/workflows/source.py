"""A workflow file's text: reading it, and naming places in it."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from agentrt.workflows.errors import InvalidWorkflow, Problem

MAX_BYTES = 1024 * 1024
_EXCERPT = 160


class Source:
    """The text of one file.

    Args:
        name: what messages call it.
        text: all of it; a byte order mark is dropped.
        path: where it lies, for the files it names; None for text from elsewhere.

    Raises:
        InvalidWorkflow: the text is larger than a megabyte.
    """

    def __init__(self, name: str, text: str, path: Path | None = None) -> None:
        self.name = name
        self.path = path
        self.text = text.removeprefix("\ufeff")
        if len(text) > MAX_BYTES:
            refuse_size(name)

    @cached_property
    def _starts(self) -> list[int]:
        # Only what editors count as the end of a line.
        return [0, *(at + 1 for at, char in enumerate(self.text) if char == "\n")]

    def problem(self, offset: int, message: str, hint: str = "") -> Problem:
        """A problem at `offset` (in characters)."""
        offset = min(offset, len(self.text))
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        column = offset - start
        end = self.text.find("\n", start)
        whole = self.text[start : len(self.text) if end < 0 else end]
        cut = max(0, column - _EXCERPT // 2) if len(whole) > _EXCERPT else 0
        shown = "".join(char if char.isprintable() else " " for char in whole[cut : cut + _EXCERPT]).rstrip()
        return Problem(self.name, line, column + 1, message, hint, shown, column - cut)

    def refuse(self, offset: int, message: str, hint: str = "") -> NoReturn:
        """Raises `InvalidWorkflow` with one problem at `offset`."""
        raise InvalidWorkflow([self.problem(offset, message, hint)])


def read_source(path: Path, name: str | None = None) -> Source:
    """Reads a file.

    Args:
        path: of the file.
        name: what messages call it; the path as it is written where nothing is said.

    Raises:
        InvalidWorkflow: it cannot be read, is too large, or is not UTF-8 text; the message says where.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidWorkflow([Problem(name, 1, 1, f"the file cannot be read ({reason})")]) from error
    if len(data) > MAX_BYTES:
        refuse_size(name)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidWorkflow([Problem(name, 1, 1, "the file is UTF-16", "save it as UTF-8")])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        byte = data[error.start]
        found = Problem(name, line, column, f"byte 0x{byte:02x} is not UTF-8 text", "a workflow is a text file")
        raise InvalidWorkflow([found]) from error
    return Source(name, text, path)


def refuse_size(name: str) -> NoReturn:
    """Raises `InvalidWorkflow` for a file that is too large to be a workflow."""
    hint = "keep data in files of its own and pass it as an input"
    raise InvalidWorkflow([Problem(name, 1, 1, f"the file is larger than {MAX_BYTES // 1024**2} MiB", hint)])
