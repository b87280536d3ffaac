"""The event stream folded into what happened to each task: the pure half of every view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from executor import (
    ApprovalAsked,
    ApprovalGiven,
    Ref,
    Task,
    TaskAdded,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
    Text,
    as_text,
)

Stage = Literal["waiting", "running", "finished", "failed", "skipped"]
_PREVIEW = 400


@dataclass(slots=True)
class Row:
    """What is known of one task. Times are seconds on the run's clock."""

    task: Task
    stage: Stage = "waiting"
    started: float | None = None
    ended: float | None = None
    attempts: int = 1
    note: str = ""

    def seconds(self, now: float) -> float:
        """How long the call has taken until it ended, or until `now`."""
        if self.started is None:
            return 0.0
        return (self.ended if self.ended is not None else now) - self.started


@dataclass(slots=True)
class Timeline:
    """Rows by task id, in the order the plan was written."""

    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    def apply(self, event: object) -> None:
        """Takes one event; kinds it does not know are ignored."""
        match event:
            case TaskAdded(_, task):
                self.rows[task.id] = Row(task)
            case TaskStarted(time, name):
                row = self.rows[name]
                row.stage, row.started = "running", time
            case TaskRetried(_, name, attempt, wait, error):
                row = self.rows[name]
                row.attempts, row.note = attempt + 1, f"again in {wait:.1f} s: {error}"
            case ApprovalAsked(_, name, _, question):
                self.rows[name].note = f"waits for a yes: {one_line(question, 200)}"
            case ApprovalGiven(_, name):
                self.rows[name].note = ""
            case TaskFinished(time, name, value):
                self._end(name, "finished", time, one_line(as_text(value)))
            case TaskFailed(time, name, error, _):
                self._end(name, "failed", time, one_line(error))
            case TaskSkipped(_, name, because):
                row = self.rows[name]
                row.stage, row.note = "skipped", skipped_because(name, because)
            case _:
                pass

    @property
    def calls_one_by_one(self) -> float:
        """Seconds all calls would have taken one after another."""
        return sum(row.seconds(row.ended) for row in self.rows.values() if row.ended is not None)

    def _end(self, name: str, stage: Stage, time: float, note: str) -> None:
        row = self.rows[name]
        row.stage, row.ended, row.note = stage, time, note


def skipped_because(name: str, because: str) -> str:
    """Why a task was skipped: for want of another one's value, or because its own condition did not hold."""
    return "its condition does not hold" if name == because else f"needs task {because}, which has no value"


def call_text(task: Task) -> str:
    """A task as its plan line reads, on one line and bounded: `search(title="Ed Wood")`."""
    return one_line(f"{task.call}({', '.join(f'{name}={_argument(value)}' for name, value in task.args.items())})")


def one_line(text: str, limit: int = _PREVIEW) -> str:
    """`text` without line breaks, cut to `limit` characters."""
    line = " ".join(printable(text[: limit * 2]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def printable(text: str) -> str:
    """`text` without control characters: what a tool or a model wrote must not steer the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text)


def _argument(value: object) -> str:
    if isinstance(value, Ref):
        return "$" + str(value)[2:-1]
    if isinstance(value, str | Text):
        return f'"{value}"'
    return as_text(value)
