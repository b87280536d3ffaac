"""How a task can end."""

from __future__ import annotations

from typing import NamedTuple

from executor.errors import ToolFailed
from executor.schedule import State


class Finished(NamedTuple):
    """The task has a value. Times are seconds on the run's monotonic clock."""

    value: object
    started: float
    ended: float


class Failed(NamedTuple):
    """The task ended with an error. `value` is what dependents saw under the policy `continue`."""

    error: Exception
    started: float
    ended: float
    handled: bool = False

    @property
    def value(self) -> dict[str, str]:
        """The error as data."""
        kind = self.error.kind if isinstance(self.error, ToolFailed) else type(self.error).__name__
        return {"error": str(self.error), "type": kind}


class Skipped(NamedTuple):
    """The task never ran, because task `because` has no value or ended the run."""

    because: str


Outcome = Finished | Failed | Skipped


def state_of(outcome: Outcome) -> State:
    """What an outcome means for tasks that need it."""
    if isinstance(outcome, Skipped):
        return State.SKIPPED
    if isinstance(outcome, Failed) and not outcome.handled:
        return State.FAILED
    return State.FINISHED
