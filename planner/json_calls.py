"""Plans written as JSON: finds each call the moment its object closes, in pieces of any size.

    {"calls": [{"tool": "search", "args": {"title": "Heat"}}, {"tool": "compare", "args": {"first": "$1"}}]}

The list may also stand alone. Calls are numbered in order; texts hold references as everywhere in plans.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, cast

from executor import parse_tree
from planner.checks import Call
from planner.errors import Place, PlanProblem, PlanSyntaxError
from planner.values import Argument

_TOOL = ("tool", "name", "call", "function")
_ARGUMENTS = ("args", "arguments", "parameters")
_HINT = 'write {"calls": [{"tool": "name", "args": {"argument": "value"}}]}'
_MATES = {"}": "{", "]": "["}


class Unreadable(NamedTuple):
    """A call that cannot be read; `id` is its number."""

    id: str
    problem: PlanProblem


class JsonCalls:
    """Reads one JSON plan.

    Args:
        first: the number of the first call.
        line: where the text starts, for places; as in a plan's text.
        longest: characters one call may have.

    Attributes:
        ended: whether the list of calls was closed, or cannot be read on.
    """

    def __init__(self, first: int, *, line: int = 1, longest: int = 20_000) -> None:
        self.ended = False
        self.found = 0
        self._first = first
        self._longest = longest
        self._line = line
        self._column = 0
        self._open: list[str] = []
        self._calls_at: int | None = None
        self._in_text = False
        self._escaped = False
        self._call: list[str] = []
        self._place = Place(line, 1)

    @property
    def held(self) -> int:
        """Characters kept of a call that is still open."""
        return len(self._call)

    def feed(self, text: str) -> list[Call | Unreadable]:
        """The calls that `text` closes; what follows the list is ignored."""
        calls: list[Call | Unreadable] = []
        for char in text:
            if self.ended:
                break
            self._column += 1
            if char == "\n":
                self._line, self._column = self._line + 1, 0
            inside = self._inside
            if inside:
                self._call.append(char)
            if self._in_text:
                self._in_text = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
            elif char == '"':
                self._in_text = True
                if self._among_calls:
                    calls.append(self._trouble(PlanSyntaxError("this is no call", _HINT)))
            elif char in "{[":
                self._push(char, inside)
            elif char in "}]":
                self._pop(char, calls)
            if len(self._call) > self._longest:
                message = f"the call is longer than {self._longest:,} characters, or never closed"
                calls.append(self._trouble(PlanSyntaxError(message, "shorten the arguments")))
                self.ended = True
        return calls

    def close(self) -> list[Call | Unreadable]:
        """The text has ended."""
        if self.ended or (self._calls_at is None and self.found):
            return []
        self.ended = True
        if self._inside:
            return [self._trouble(PlanSyntaxError("the call that starts here is never closed", "close it with }"))]
        if self._calls_at is None:
            return [self._trouble(PlanSyntaxError("there is no plan in this JSON, no list of calls", _HINT))]
        return []

    @property
    def _inside(self) -> bool:
        return self._calls_at is not None and len(self._open) > self._calls_at

    @property
    def _among_calls(self) -> bool:
        return self._calls_at is not None and len(self._open) == self._calls_at

    def _push(self, char: str, inside: bool) -> None:
        if self._calls_at is None and char == "[" and len(self._open) <= 1:
            self._calls_at = len(self._open) + 1
        elif not inside and self._calls_at is not None:
            self._place = Place(self._line, self._column)
            self._call = [char]
        self._open.append(char)

    def _pop(self, char: str, calls: list[Call | Unreadable]) -> None:
        if not self._open or self._open.pop() != _MATES[char]:
            calls.append(self._trouble(PlanSyntaxError(f"{char} closes nothing here", _HINT)))
            self.ended = True
        elif self._calls_at is not None and len(self._open) == self._calls_at:
            calls.append(self._read("".join(self._call)))
            self._call = []
        elif self._calls_at is not None and len(self._open) < self._calls_at:
            self.ended = True

    def _read(self, text: str) -> Call | Unreadable:
        try:
            data: object = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            return self._trouble(PlanSyntaxError(f"this call is no JSON ({error})", _HINT))
        call = cast("dict[str, object]", data)  # it began with a brace
        tool = next((call[key] for key in _TOOL if isinstance(call.get(key), str)), None)
        none: object = {}
        arguments = next((call[key] for key in _ARGUMENTS if key in call), none)
        if tool is None or not isinstance(arguments, Mapping):
            return self._trouble(PlanSyntaxError("this is no call", _HINT))
        self.found += 1
        given = [
            Argument(name, parse_tree(value), json.dumps(value, ensure_ascii=False), 0)
            for name, value in cast(Mapping[str, object], arguments).items()
        ]
        thought = call.get("thought", "")
        return Call(self._number(), str(tool), given, self._place, (), thought if isinstance(thought, str) else "")

    def _trouble(self, error: PlanSyntaxError) -> Unreadable:
        self.found += 1
        self._call = []
        return Unreadable(self._number(), PlanProblem(self._place, error))

    def _number(self) -> str:
        return str(self._first + self.found - 1)
