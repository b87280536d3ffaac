"""The streaming reader: plan text in pieces of any size goes in, tasks come out as soon as their call ends.

The form is LLMCompiler's (Kim et al. 2023, arXiv 2312.04511), read generously:

    Thought: both places are needed
    1. search("Rosemary's Baby (film)")
    2. search(title="Heat", year=1995)
    3. compare($1.runtime, [$2.runtime, 120])
    4. join()
    <END_OF_PLAN>

A text that begins with a bracket is a plan in JSON, as models under a schema write it (see `json_calls`).

Nothing is raised for bad text: what is wrong comes out as a `PlanProblem`, in order with the tasks, and
reading goes on at the next line, so that a plan file can be told all its errors at once. Memory is
bounded: a line (or a call over several lines) has a greatest length, and what was read is let go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from executor import Plan, Ref, Task, Tool, Toolset
from planner.checks import Call, Item, PlanChecker
from planner.errors import InvalidPlan, Place, PlanNotice, PlanProblem, PlanSyntaxError
from planner.json_calls import JsonCalls, Unreadable
from planner.tokens import CallTokenizer, Misread
from planner.values import read_arguments

END_OF_PLAN = "<END_OF_PLAN>"
JOIN = "join"

_MAX_LINE = 20_000
_MAX_THOUGHT = 1_000
_MAX_PROBLEMS = 100
_KEPT_BEFORE = 200
_MARK = re.compile(r"[(\n>]")
_LEAD = r"[\s>*`#,;.\-]*(?:(?:plan|action|task|step)\b[\s:]*)?"
_HEAD = re.compile(_LEAD + r"(?:([0-9]{1,9})\s*[.):][\s*]*)?([^\W\d][\w./-]*)(\s*)", re.IGNORECASE)
_NUMBERED = re.compile(_LEAD + r"([0-9]{1,9})\s*[.):][\s*]*([^\W\d][\w./-]*)", re.IGNORECASE)
_JSON = re.compile(r"\s*(?:\{\s*(?:\Z|(?=(\")))|\[\s*(?:\Z|(?=(\{))))")
_THOUGHT = re.compile(r"[\s>*#`-]*thought\**\s*:\**\s*(.*)", re.IGNORECASE | re.DOTALL)


class _Mode(Enum):
    LINE = "at the start of a line, or behind a call"
    CALL = "inside a call"
    SKIP = "dropping the rest of a line"
    JSON = "inside a plan in JSON"
    DONE = "behind the end of the plan"


class PlanReader:
    """Reads one plan.

    Args:
        checker: decides what the calls may say; shared by the readers of a plan and of its correction.
        max_line: greatest length of a line, or of a call over several lines, in characters.
        ends_at_join: whether everything behind `join()` is ignored, as what follows the end mark is. Models that
            have finished a plan sometimes go on with another.

    Attributes:
        joined: whether `join()` was read.
        reads: ids that `join($1, $2)` names; empty for `join()`, which reads all.
        overran: whether there was more text behind it, where that is ignored.
    """

    def __init__(self, checker: PlanChecker, *, max_line: int = _MAX_LINE, ends_at_join: bool = False) -> None:
        self.checker = checker
        self.max_line = max_line
        self.ends_at_join = ends_at_join
        self._mode = _Mode.LINE
        self._buffer = ""
        self._at = 0
        # Where the buffer starts, and what stands before it on its line (its end only).
        self._line = 1
        self._column = 1
        self._before = ""
        self._head: tuple[str | None, str, int] = (None, "", 0)
        self._call = CallTokenizer(0)
        self._json = JsonCalls(checker.next_id)
        self._thoughts: list[str] = []
        self._calls = 0
        self._problems = 0
        self._in_prose = False
        self.joined = False
        self.reads: tuple[str, ...] = ()
        self.overran = False
        self._end_place: Place | None = None

    @property
    def ended(self) -> bool:
        """Whether the end of the plan was read; whatever follows is ignored."""
        return self._mode is _Mode.DONE

    @property
    def held(self) -> int:
        """Characters kept for what is still open."""
        return len(self._buffer) + len(self._before) + self._json.held

    def feed(self, text: str) -> list[Item]:
        """Reads more text; gives the tasks, warnings and problems it brought, in order."""
        items: list[Item] = []
        if self.ended:
            self._overrun(text, items)
            return items
        self._buffer += text
        while self._step(items):
            if self._problems >= _MAX_PROBLEMS:
                self._end()
        return items

    def guess(self) -> Task | None:
        """The call that is still open, as it is if nothing but its closing parenthesis follows."""
        if self._mode is not _Mode.CALL or self._head[1] == JOIN or not self._call.between_values:
            return None
        text = self._buffer + ")"
        call = CallTokenizer(self._call.start)
        try:
            if not call.scan(text, len(text)) or call.end != len(text):
                return None
            arguments, _ = read_arguments(text, call)
        except Misread:
            return None
        return self.checker.preview(Call(self._head[0], self._head[1], arguments, Place(self._line, self._column)))

    def close(self) -> list[Item]:
        """The text has ended; gives what was still open."""
        items: list[Item] = []
        if self._mode is _Mode.JSON:
            self._take_json(self._json.close(), items)
        while self._mode is _Mode.CALL:
            self._misread(self._call.unfinished(len(self._buffer)), items)
            items.extend(self.feed(""))
        if self._mode is _Mode.LINE:
            self._finish_line(self._buffer, items)
        place = self._place(len(self._buffer), len(self._buffer))
        self._end()
        if not self._calls and not self.joined and not self._problems:
            hint = "write one call a line, such as 1. name(argument), and join() last"
            items.append(PlanProblem(place, PlanSyntaxError("there is no plan in this text", hint)))
        elif not self.joined:
            items.append(PlanNotice(place, "the plan does not end with join()"))
        return items + self.checker.close()

    def cut(self) -> list[Item]:
        """The text was cut off by a limit, not ended by its writer: the plan is what stands before an open call."""
        place = self._place(len(self._buffer), len(self._buffer))
        self._end()
        return [PlanNotice(place, "the plan was cut off here; what comes before stands"), *self.checker.close()]

    def endless(self, tokens: int) -> list[Item]:
        """The text was cut off by a limit of `tokens` inside its first call, which is the problem then."""
        items: list[Item] = []
        hint = "write its arguments short, and nothing in them twice"
        error = PlanSyntaxError(f"what starts here did not end within {tokens} tokens", hint)
        self._misread(Misread(self._head[2], len(self._buffer), error), items)
        self._end()
        return items

    def _step(self, items: list[Item]) -> bool:
        """Does one thing; False when more text is needed."""
        if self._mode is _Mode.LINE:
            if not (self._calls or self.joined or self._problems) and (begun := _JSON.match(self._buffer)):
                # Too little to tell prose in brackets from JSON, until there is a character behind the bracket.
                return begun.lastindex is not None and self._begin_json()
            return self._read_line(items)
        if self._mode is _Mode.JSON:
            self._take_json(self._json.feed(self._buffer), items)
            self._discard(len(self._buffer))
            return False
        if self._mode is _Mode.CALL:
            return self._read_call(items)
        if self._mode is _Mode.SKIP:
            newline = self._buffer.find("\n")
            self._discard(newline + 1 if newline >= 0 else len(self._buffer))
            if newline >= 0:
                self._mode = _Mode.LINE
            return newline >= 0
        return False

    def _begin_json(self) -> bool:
        self._json = JsonCalls(self.checker.next_id, line=self._line, longest=self.max_line)
        self._mode = _Mode.JSON
        return True

    def _take_json(self, found: list[Call | Unreadable], items: list[Item]) -> None:
        for call in found:
            self._calls += 1
            if isinstance(call, Unreadable):
                self.checker.refuse(call.id)
                self._take([call.problem], items)
            elif call.tool != JOIN:
                self._take(self.checker.add(call), items)
        if self._json.ended:
            self.joined = True
            self._end()

    def _read_line(self, items: list[Item]) -> bool:
        limit = min(len(self._buffer), self.max_line)
        while mark := _MARK.search(self._buffer, self._at, limit):
            at = mark.start()
            self._at = at + 1
            if mark[0] == "\n":
                self._finish_line(self._buffer[:at], items)
                self._discard(at + 1)
                return True
            if mark[0] == "(":
                if self._start_call(at):
                    return True
            elif self._buffer.endswith(END_OF_PLAN, 0, at + 1):
                self._finish_line(self._buffer[: at + 1 - len(END_OF_PLAN)], items)
                self._end()
                return True
        self._at = limit
        if limit < self.max_line:
            return False
        self._finish_line(self._buffer[:limit], items)
        self._discard(limit)
        self._mode = _Mode.SKIP
        return True

    def _start_call(self, at: int) -> bool:
        head = _HEAD.fullmatch(self._buffer, 0, at)
        if head is None:
            return False
        number, name, space = head.groups()
        known = name == JOIN or name in self.checker.tools
        # "1. Heat (1995)" and "see note(3)" are prose; "1. haet(1995)" is a call of a tool that is not there.
        if not known and (number is None or space):
            return False
        start = head.start(1) if number is not None else head.start(2)
        self._head = (None if number is None else str(int(number)), name, start)
        self._call = CallTokenizer(at)
        self._mode = _Mode.CALL
        return True

    def _read_call(self, items: list[Item]) -> bool:
        limit = min(len(self._buffer), self.max_line)
        try:
            if not self._call.scan(self._buffer, limit):
                if limit < self.max_line:
                    return False
                hint = "shorten the arguments, or fetch long text with a tool"
                message = f"the call is longer than {self.max_line:,} characters, or never closed"
                raise Misread(self._head[2], limit, PlanSyntaxError(message, hint))
            self._finish_call(items)
        except Misread as misread:
            self._misread(misread, items)
        return True

    def _finish_call(self, items: list[Item]) -> None:
        number, name, start = self._head
        end = self._call.end
        if self.joined and name != JOIN:
            hint = "write all calls before join(), which comes last"
            raise Misread(start, end, PlanSyntaxError("this call comes after join()", hint))
        arguments, remarks = read_arguments(self._buffer, self._call)
        self._in_prose = False
        if name == JOIN:
            self.joined = True
            self.reads += tuple(part.value.task for part in arguments if isinstance(part.value, Ref))
        else:
            self._calls += 1
            places = [self._place(argument.at, end) for argument in arguments]
            thought = " ".join(self._thoughts)
            call = Call(number, name, arguments, self._place(start, end), places, thought)
            items.extend(PlanNotice(self._place(remark.at, end), remark.message) for remark in remarks)
            self._take(self.checker.add(call), items)
            self._thoughts.clear()
        self._discard(end)
        self._mode = _Mode.LINE
        if self.joined and self.ends_at_join:
            self._end_place = self._place(0, 0)
            self._overrun(self._buffer, items)
            self._end()

    def _overrun(self, text: str, items: list[Item]) -> None:
        """Notes once that there is more text behind `join()`, where that is ignored."""
        if self._end_place and not self.overran and any(char.isalnum() for char in text.replace(END_OF_PLAN, "")):
            self.overran = True
            items.append(PlanNotice(self._end_place, "the text behind join() was left out"))

    def _misread(self, misread: Misread, items: list[Item]) -> None:
        """Reports what cannot be read and goes on behind the line on which the call began."""
        self._calls += 1
        self._take([PlanProblem(self._place(misread.at, misread.seen), misread.error)], items)
        self.checker.refuse(self._head[0])
        self._thoughts.clear()
        newline = self._buffer.find("\n")
        self._mode = _Mode.LINE if newline >= 0 else _Mode.SKIP
        self._discard(newline + 1 if newline >= 0 else len(self._buffer))

    def _finish_line(self, text: str, items: list[Item]) -> None:
        """A line, or the rest of one behind a call, that has no call in it."""
        if thought := _THOUGHT.fullmatch(text):
            self._thoughts.append(" ".join(thought[1].split())[:_MAX_THOUGHT])
            del self._thoughts[:-3]
            return
        line = text.strip()
        if line == JOIN or ((numbered := _NUMBERED.fullmatch(line)) and numbered[2] == JOIN):
            self.joined = True
            items.append(PlanNotice(self._place(0, len(text)), "join is written join()"))
            return
        numbered = _NUMBERED.match(text)
        if numbered and numbered[2] in self.checker.tools:
            hint = f"write {numbered[1]}. {numbered[2]}(…)"
            error = PlanSyntaxError(f"{numbered[2]} has no parentheses", hint)
            self._calls += 1
            self.checker.refuse(str(int(numbered[1])))
            self._take([PlanProblem(self._place(numbered.start(1), len(text)), error)], items)
            return
        silent = line.startswith(("```", "#", "//")) or not any(char.isalnum() for char in line)
        if not silent and not self._in_prose:
            self._in_prose = True
            items.append(PlanNotice(self._place(0, len(text)), "text that is no part of the plan was left out"))

    def _take(self, new: list[Item], items: list[Item]) -> None:
        self._problems += sum(isinstance(item, PlanProblem) for item in new)
        items.extend(new)

    def _end(self) -> None:
        self._mode = _Mode.DONE
        self._buffer = ""

    def _discard(self, count: int) -> None:
        """Lets go of what was read, but for the end of the current line, which excerpts may want."""
        gone = self._buffer[:count]
        newlines = gone.count("\n")
        tail = gone[gone.rfind("\n") + 1 :]
        if newlines:
            self._line += newlines
            self._column = 1 + len(tail)
            self._before = tail[-_KEPT_BEFORE:]
        else:
            self._column += count
            self._before = (self._before + tail)[-_KEPT_BEFORE:]
        self._buffer = self._buffer[count:]
        self._at = 0

    def _place(self, at: int, seen: int) -> Place:
        """The place of an offset in the buffer; the excerpt goes no further than `seen`, whatever has arrived."""
        line_start = self._buffer.rfind("\n", 0, at) + 1
        line_end = self._buffer.find("\n", line_start, seen)
        text = self._buffer[line_start : seen if line_end < 0 else line_end]
        if line_start:
            line = self._line + self._buffer.count("\n", 0, line_start)
            return Place.within(line, at - line_start + 1, text, at - line_start)
        return Place.within(self._line, self._column + at, self._before + text, len(self._before) + at)


class PlanReading(NamedTuple):
    """A plan text read as a whole."""

    tasks: tuple[Task, ...]
    warnings: tuple[PlanNotice, ...]
    problems: tuple[PlanProblem, ...]
    known: frozenset[str] = frozenset()
    reads: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan. Raises InvalidPlan with all problems, if there are any."""
        if self.problems:
            raise InvalidPlan(self.problems)
        return Plan(self.tasks, known=self.known)


def read_plan(
    text: str,
    tools: Iterable[Tool] | Toolset,
    *,
    max_tasks: int = 1_000,
    known: Iterable[str] = (),
) -> PlanReading:
    """Reads a whole plan text and checks it against `tools`; see `PlanChecker` for `max_tasks` and `known`."""
    toolset = tools if isinstance(tools, Toolset) else Toolset(tools)
    checker = PlanChecker(toolset, max_tasks=max_tasks, known=known)
    reader = PlanReader(checker)
    items = [*reader.feed(text), *reader.close()]
    return PlanReading(
        tuple(item for item in items if isinstance(item, Task)),
        tuple(item for item in items if isinstance(item, PlanNotice)),
        tuple(item for item in items if isinstance(item, PlanProblem)),
        checker.known,
        reader.reads,
    )
