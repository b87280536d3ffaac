"""From the tokens of an argument list to the values they write.

Python's and JSON's spelling are both read. Text without quotes is taken as text, with a warning; so is
an expression such as `$1 + 2`, because plans hold values and references, nothing that is evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from executor import Ref, parse
from planner.errors import PlanSyntaxError
from planner.tokens import CallTokenizer, Kind, Misread, Token

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
_NAME = re.compile(r"[^\W\d][\w-]*")
# Longer numbers are identifiers or noise; int() of thousands of digits is slow, and Python refuses it.
_LONGEST_NUMBER = 400


class Argument(NamedTuple):
    """One argument as written: `name` is None for a positional one, `raw` its text, `at` its offset."""

    name: str | None
    value: object
    raw: str
    at: int


class Remark(NamedTuple):
    """Something tolerated, and its offset."""

    at: int
    message: str


def read_arguments(text: str, call: CallTokenizer) -> tuple[list[Argument], list[Remark]]:
    """The arguments of a call whose tokens are complete.

    Raises:
        Misread: the tokens make no argument list.
    """
    values = _Values(text, call.tokens, call.mates)
    return values.arguments(), values.remarks


class _Values:
    """Recursive descent over one call's tokens. Ranges are indices into `tokens`, the end exclusive."""

    def __init__(self, text: str, tokens: Sequence[Token], mates: Mapping[int, int]) -> None:
        self.text = text
        self.tokens = tokens
        self.mates = mates
        self.remarks: list[Remark] = []

    def arguments(self) -> list[Argument]:
        found: list[Argument] = []
        names: set[str] = set()
        for start, end in self.items(1, len(self.tokens) - 1):
            name, first = self.name_of(start, end)
            at = self.tokens[start].start
            if name is not None and name in names:
                raise self.misread(at, f"argument {name!r} is given twice", "give each argument once")
            if name is None and names:
                raise self.misread(at, "an argument without a name follows named ones", "name this argument too")
            if name is not None:
                names.add(name)
            found.append(Argument(name, self.value(first, end), self.raw(first, end), at))
        return found

    def name_of(self, start: int, end: int) -> tuple[str | None, int]:
        """The argument's name, if it has one, and the index where its value starts."""
        if end - start < 2:
            return None, start
        key, sign = self.tokens[start], self.tokens[start + 1]
        if sign.kind is Kind.EQUALS and key.kind is Kind.WORD and _NAME.fullmatch(key.value):
            if end - start == 2:
                raise self.misread(sign.start, f"argument {key.value!r} has no value", "write a value behind the =")
            return key.value, start + 2
        if sign.kind is Kind.COLON and end - start > 2 and _NAME.fullmatch(key.value):
            quoted = self.tokens[start + 2].kind in (Kind.STRING, Kind.OPEN)
            if key.kind is Kind.STRING or (key.kind is Kind.WORD and quoted):
                self.remarks.append(Remark(sign.start, f"named arguments are written {key.value}=…, not with a colon"))
                return key.value, start + 2
        return None, start

    def value(self, start: int, end: int) -> object:
        first = self.tokens[start]
        if first.kind is Kind.STRING:
            if end - start > 1:
                at = self.tokens[start + 1].start
                hint = "write one text in one pair of quotes; a reference such as $1 may stand inside it"
                raise self.misread(at, "something follows the closing quote", hint)
            return parse(first.value)
        if first.kind is Kind.OPEN and self.mates[start] == end - 1:
            if first.value == "{":
                return self.object(start + 1, end - 1)
            items = [self.value(*item) for item in self.items(start + 1, end - 1)]
            grouped = first.value == "(" and len(items) == 1 and self.tokens[end - 2].kind is not Kind.COMMA
            return items[0] if grouped else items
        return self.unquoted(self.raw(start, end), first.start)

    def object(self, start: int, end: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for first, last in self.items(start, end):
            key = self.tokens[first]
            if (
                last - first < 3
                or key.kind not in (Kind.WORD, Kind.STRING)
                or self.tokens[first + 1].kind != Kind.COLON
            ):
                raise self.misread(key.start, "this is no entry of an object", 'write entries as "key": value')
            if key.value in found:
                raise self.misread(key.start, f"the key {key.value!r} is given twice", "give each key once")
            found[key.value] = self.value(first + 2, last)
        return found

    def unquoted(self, raw: str, at: int) -> object:
        if raw.lower() in _CONSTANTS:
            return _CONSTANTS[raw.lower()]
        if len(raw) <= _LONGEST_NUMBER and _NUMBER.fullmatch(raw):
            number = float(raw) if any(char in raw for char in ".eE") else int(raw)
            if math.isfinite(number):
                return number
        value = parse(raw)
        if not isinstance(value, Ref):
            self.remarks.append(Remark(at, "text without quotes is taken as text"))
        return value

    def items(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges between the commas of one level; a comma behind the last item is allowed."""
        first = index = start
        while index < end:
            token = self.tokens[index]
            if token.kind is Kind.COMMA:
                if index == first:
                    raise self.misread(token.start, "there is nothing before this comma", "leave one of the commas out")
                yield first, index
                first = index + 1
            index = self.mates.get(index, index) + 1
        if first < end:
            yield first, end

    def raw(self, start: int, end: int) -> str:
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]

    def misread(self, at: int, message: str, hint: str) -> Misread:
        return Misread(at, self.tokens[-1].end, PlanSyntaxError(message, hint))
