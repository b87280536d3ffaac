"""Grammar text, put together from rules: each body is written once and has one name.

What is written is the common part of vLLM's EBNF (xgrammar) and llama.cpp's GBNF: one rule a line, quoted
literals, character classes, groups, `|`, `?`, `*` and `{m,n}`; names are letters, digits and dashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(text: str) -> str:
    """`text` as a terminal."""
    return '"' + "".join(_ESCAPES.get(char) or (char if char >= " " else f"\\x{ord(char):02x}") for char in text) + '"'


def either(alternatives: Iterable[str]) -> str:
    """A group of alternatives, each once; a single one as it is."""
    found = list(dict.fromkeys(alternatives))
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


class Rules:
    """Rules by name. Equal bodies get one rule, so that what lines have in common is written once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self.texts: dict[str | None, str] = {}
        """Rules of texts in quotes, by the reference that may stand in them: most values are texts."""
        self._size = 0

    def add(self, kind: str, body: str) -> str:
        """The name of the rule with this body; a new one begins with `kind`."""
        name = self._names.get(body)
        if name is None:
            self._counts[kind] = number = self._counts.get(kind, 0) + 1
            name = self._names[body] = f"{kind}{number}"
            self._size += len(name) + len(body) + 6
        return name

    def named(self, name: str, body: str) -> str:
        """Adds a rule whose name matters. Returns the name."""
        self._size += len(name) + len(body) + 6
        self._names[f"{body} "] = name  # the space keeps it apart from a body that happens to be the same
        return name

    @property
    def size(self) -> int:
        """Characters of the grammar so far."""
        return self._size

    def text(self) -> str:
        """The grammar; `root` is its first rule."""
        lines = [f"{name} ::= {body.rstrip()}" for body, name in self._names.items()]
        lines.sort(key=lambda line: not line.startswith("root "))
        return "\n".join(lines) + "\n"


class Item(NamedTuple):
    """One member of a list between commas: what stands before its value, its value, and whether it must be there.

    `value` is None where no value can be written here.
    """

    before: str
    value: str | None
    required: bool


def listed(rules: Rules, items: Sequence[Item]) -> str | None:
    """An expression for `items` in order, with commas between those that are there; None if a required one cannot be.

    An empty string stands for nothing at all.
    """
    if any(item.required and item.value is None for item in items):
        return None
    possible = [item for item in items if item.value is not None]
    if not possible:
        return ""
    head = next((at for at, item in enumerate(possible) if item.required), len(possible))
    # Behind a member that is there, each further one brings its own comma.
    if head == 0:
        return " ".join([_written(possible[0]), *(_further(item) for item in possible[1:])])
    # Members before the first required one may all be missing: each may be the first.
    rest = [_further(item) for item in possible[head + 1 :]]
    options: list[str] = []
    if head < len(possible):
        options.append(" ".join([_written(possible[head]), *rest]))
        tail = rules.add("m", " ".join([literal(", "), _written(possible[head]), *rest]))
    else:
        tail = ""
    for item in reversed(possible[:head]):
        options.append(f"{_written(item)} {tail}".rstrip())
        tail = rules.add("m", f"{_further(item)} {tail}".rstrip())
    options.reverse()
    return either(options) if head < len(possible) else f"({' | '.join(options)})?"


def _written(item: Item) -> str:
    return f"{literal(item.before)} {item.value}" if item.before else str(item.value)


def _further(item: Item) -> str:
    written = f"{literal(f', {item.before}')} {item.value}"
    return written if item.required else f"({written})?"
