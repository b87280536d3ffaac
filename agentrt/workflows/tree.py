"""YAML into plain data, with the place of every key and value.

Only what a workflow needs is taken: mappings, lists and scalars. Tags, anchors, aliases, merge keys, duplicate
keys and several documents are refused. Of unquoted scalars `true`, `false`, `null`, `~` and JSON's numbers mean
something; everything else, `no`, `010` and `12:30` with it, is the text that is written there.

Events come from libyaml where PyYAML has it and from PyYAML's own parser elsewhere; they are read one by one,
so that a bomb ends at its first forbidden event.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from agentrt.workflows.source import Source

MAX_DEPTH = 40

NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML does not take, or takes for ends of lines where no editor does."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_LONGEST_NUMBER = 300
_LOOKS_LIKE_REFERENCE = re.compile(r"\$\{")

Key = str | int
# Most nodes are scalars: one empty mapping serves all of them.
_NO_CHILDREN: Mapping[Key, Node] = MappingProxyType({})
_NO_KEYS: Mapping[str, int] = MappingProxyType({})


@dataclass(slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        value: plain data.
        start: offset of its first character.
        end: offset behind its last.
        children: of a mapping by key, of a list by index.
        keys: offsets of a mapping's keys.
    """

    value: Any
    start: int
    end: int
    children: Mapping[Key, Node]
    keys: Mapping[str, int]

    def at(self, path: Sequence[Key]) -> Node:
        """The node at `path`, or the deepest one on the way there."""
        node = self
        for step in path:
            if step not in node.children:
                break
            node = node.children[step]
        return node

    def key_at(self, path: Sequence[Key]) -> int:
        """Offset of the key that `path` ends with; of the value where it is no key."""
        parent = self.at(path[:-1])
        last = path[-1] if path else ""
        return parent.keys[last] if isinstance(last, str) and last in parent.keys else self.at(path).start


def read_tree(source: Source) -> Node:
    """Reads one YAML document.

    Raises:
        InvalidWorkflow: it cannot be read, or says what a workflow may not; the problem has its place.
    """
    return _Reader(source).document()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.events = self._events()

    def _events(self) -> Iterator[Any]:
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = self.source.text
        # Refused here, with a place, because the parsers only say that there is one, or fold it into a space.
        if found := NOT_TEXT.search(text):
            hint = "in double quotes it can be written \\uXXXX"
            self.source.refuse(found.start(), f"character U+{ord(found[0]):04X} cannot be part of a workflow", hint)
        try:
            yield from yaml.parse(text, Loader=loader)  # pyright: ignore[reportUnknownMemberType]  # its stream has no type
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)

    def _refuse_syntax(self, error: Any) -> None:
        mark = error.problem_mark or error.context_mark
        offset = mark.index if mark is not None else 0
        message = error.problem or error.context or "this is not YAML"
        if error.context and error.problem:
            message = f"{error.problem} {error.context}"
        start = self.source.text.rfind("\n", 0, offset) + 1
        line = self.source.text[start : max(offset, start) + 200].split("\n", 1)[0]
        hint = ""
        if _LOOKS_LIKE_REFERENCE.search(line) and ("{" in line.replace("${", "") or "[" in line):
            hint = 'inside { } and [ ] a reference needs quotes: "${step}"'
        elif "\t" in line[: len(line) - len(line.lstrip())]:
            hint = "YAML is indented with spaces, not tabs"
        elif "mapping values" in message:
            hint = "text with a colon in it needs quotes, and keys of one mapping the same indentation"
        self.source.refuse(offset, message, hint)

    def document(self) -> Node:
        node: Node | None = None
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and node is not None:
                self.source.refuse(event.start_mark.index, "there is a second document", "keep one workflow a file")
            if kind in _NODES:
                node = self.node(event, 0)
        if node is None:
            self.source.refuse(0, "the file is empty", "a workflow begins with `agentrt: 1`")
        return node

    def node(self, event: Any, depth: int) -> Node:
        start = event.start_mark.index
        kind = type(event).__name__
        if kind == "AliasEvent":
            self.source.refuse(start, f"aliases (*{event.anchor}) are not taken", "write the value out")
        if event.anchor is not None:
            self.source.refuse(
                start, f"anchors (&{event.anchor}) are not taken", "write the value out where it is used"
            )
        if event.tag is not None:
            hint = "leave it out: values are text, numbers, true, false, null, lists and mappings"
            self.source.refuse(start, f"tags ({event.tag}) are not taken", hint)
        if depth > MAX_DEPTH:
            self.source.refuse(start, f"this is nested deeper than {MAX_DEPTH} levels")
        if kind == "ScalarEvent":
            end = event.end_mark.index
            return Node(self.scalar(event), start, end, _NO_CHILDREN, _NO_KEYS)
        return self.mapping(start, depth) if kind == "MappingStartEvent" else self.sequence(start, depth)

    def scalar(self, event: Any) -> object:
        text = cast(str, event.value)
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "-0123456789" and _FLOAT.match(text):
            if len(text) > _LONGEST_NUMBER:
                self.source.refuse(event.start_mark.index, "this number has too many digits", "quote it to keep text")
            if _INTEGER.match(text):
                return int(text)
            number = float(text)
            if math.isinf(number):
                self.source.refuse(event.start_mark.index, f"{text} is too large a number", "quote it to keep text")
            return number
        return text

    def sequence(self, start: int, depth: int) -> Node:
        items: list[object] = []
        children: dict[Key, Node] = {}
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                return Node(items, start, event.end_mark.index, children, _NO_KEYS)
            child = children[len(items)] = self.node(event, depth + 1)
            items.append(child.value)
        raise AssertionError("a list ends or the parser raises")

    def mapping(self, start: int, depth: int) -> Node:
        values: dict[str, object] = {}
        children: dict[Key, Node] = {}
        keys: dict[str, int] = {}
        for event in self.events:
            at = event.start_mark.index
            kind = type(event).__name__
            if kind == "MappingEndEvent":
                return Node(values, start, event.end_mark.index, children, keys)
            if kind != "ScalarEvent" or event.anchor is not None or event.tag is not None:
                self.node(event, depth + 1)
                hint = 'inside { } and [ ] a reference needs quotes: "${step}"'
                self.source.refuse(at, "a key must be a word", hint)
            key = cast(str, event.value)
            if key == "<<" and event.implicit[0]:
                self.source.refuse(at, "merge keys (<<) are not taken", "write the keys out")
            if key in values:
                line = self.source.problem(keys[key], "").line
                self.source.refuse(at, f"the key {key!r} stands here twice (first in line {line})", "keep one of them")
            keys[key] = at
            child = children[key] = self.node(next(self.events), depth + 1)
            values[key] = child.value
        raise AssertionError("a mapping ends or the parser raises")


_NODES = ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent", "AliasEvent")
