"""What a Google style docstring says about a function and its arguments."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

_SECTION = re.compile(r"(?P<name>[A-Z][A-Za-z ]*):\s*$")
_ARGUMENTS = {"Args", "Arguments", "Parameters"}
_SECTIONS = _ARGUMENTS | {"Returns", "Return", "Yields", "Raises", "Example", "Examples", "Note", "Notes", "Attributes"}
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")


class Described(NamedTuple):
    """The first paragraph on one line, and a text for each argument that has one."""

    summary: str
    arguments: dict[str, str]


def describe(docstring: str | None) -> Described:
    """Reads a docstring; never fails, whatever its style: what is not recognised is left out."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    heads = [index for index, line in enumerate(lines) if _section(line) is not None]
    body = lines[: heads[0]] if heads else lines
    summary = " ".join(line.strip() for line in _first_paragraph(body))
    arguments: dict[str, str] = {}
    for head, end in zip(heads, [*heads, len(lines)][1:], strict=True):
        if _section(lines[head]) in _ARGUMENTS:
            arguments.update(_entries(lines[head + 1 : end]))
    return Described(summary, arguments)


def _section(line: str) -> str | None:
    match = _SECTION.match(line)
    return match["name"] if match and match["name"] in _SECTIONS else None


def _first_paragraph(lines: list[str]) -> list[str]:
    text = "\n".join(lines).strip("\n")
    return re.split(r"\n\s*\n", text, maxsplit=1)[0].splitlines()


def _entries(lines: list[str]) -> dict[str, str]:
    entries: dict[str, list[str]] = {}
    indent: int | None = None
    current: list[str] | None = None
    for line in lines:
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:  # text after the section, not part of it
            break
        if indent is None:
            indent = depth
        match = _ENTRY.match(line.strip()) if depth <= indent else None
        if match is not None:
            current = entries.setdefault(match["name"], [match["text"].strip()])
        elif current is not None:
            current.append(line.strip())
    return {name: " ".join(part for part in parts if part) for name, parts in entries.items()}
