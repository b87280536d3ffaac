"""Everything the planner raises, and where in a plan's text something is wrong.

    PlannerError
    ├── PlanSyntaxError      text that cannot be read as a plan; has a hint
    ├── InvalidPlan          a plan text with problems; each has line, column, excerpt and hint
    │   └── PlanningFailed   the model's plan was wrong, and so was its correction
    ├── PlanTooLong          the model's plan did not end within its limit
    └── JoinFailed           the model gave no usable decision about the results, twice

What a model raises by itself (a server that died, a context that is too long) passes through unchanged.

What a plan says may be wrong although its text can be read: those are `executor.PlanError` and its
subclasses. A `PlanProblem` gives either kind its place in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from executor import PlanError

_EXCERPT = 120


class PlannerError(Exception):
    """Root of everything raised by `planner`."""


class PlanSyntaxError(PlannerError):
    """Text that cannot be read as a plan. `hint` says how to write it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Place(NamedTuple):
    """A place in a plan's text.

    Attributes:
        line: from 1.
        column: from 1, in characters.
        excerpt: the line's text around it, as far as it was read; one printable line of bounded length.
        caret: index of the place in `excerpt`.
    """

    line: int
    column: int
    excerpt: str = ""
    caret: int = 0

    @classmethod
    def within(cls, line: int, column: int, text: str, index: int) -> Place:
        """The place at `text[index]`, where `text` is (part of) the line."""
        start = max(0, index - _EXCERPT // 2)
        window = text[start : start + _EXCERPT]
        return cls(line, column, "".join(char if char.isprintable() else " " for char in window), index - start)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class PlanNotice(NamedTuple):
    """Something in a plan's text that was understood but is not how a plan is written."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"

    def to_json(self) -> dict[str, object]:
        """The warning as plain JSON data."""
        return {"line": self.place.line, "column": self.place.column, "message": self.message}


class PlanProblem(NamedTuple):
    """Something that makes a plan unusable, and where it stands."""

    place: Place
    error: PlanError | PlanSyntaxError

    @property
    def hint(self) -> str:
        """How to put it right, where that is known and not part of the error's own message."""
        return self.error.hint if isinstance(self.error, PlanSyntaxError) else ""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.error}"]
        if self.place.excerpt:
            lines += [f"    {self.place.excerpt}", f"    {' ' * self.place.caret}^"]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The problem as plain JSON data."""
        return {
            "line": self.place.line,
            "column": self.place.column,
            "excerpt": self.place.excerpt,
            "kind": type(self.error).__name__,
            "message": str(self.error),
            "hint": self.hint,
        }


class InvalidPlan(PlannerError):
    """A plan text with problems. The message shows the first few; `problems` has them all."""

    def __init__(self, problems: Sequence[PlanProblem], *, summary: str = "the plan cannot be run as written") -> None:
        self.problems = tuple(problems)
        shown = "\n".join(str(problem) for problem in self.problems[:5])
        more = f"\n(and {len(self.problems) - 5} more)" if len(self.problems) > 5 else ""
        super().__init__(f"{summary}:\n{shown}{more}")


class PlanningFailed(InvalidPlan):
    """The model's plan could not be run, and neither could its correction. `text` is what it wrote last."""

    def __init__(self, problems: Sequence[PlanProblem], *, attempts: int, text: str) -> None:
        self.attempts = attempts
        self.text = text
        times = "twice" if attempts == 2 else f"{attempts} times" if attempts != 1 else "once"
        super().__init__(
            problems,
            summary=f"the model wrote a plan that cannot be run ({times}); "
            "try a larger model, fewer tools or a simpler question. The last attempt has this problem",
        )


class PlanTooLong(PlannerError):
    """The model's plan did not end within its limit."""


class JoinFailed(PlannerError):
    """The model gave no usable decision about the results, twice. `text` is what it wrote last."""

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message)
        self.text = text
