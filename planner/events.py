"""What happens while a model writes a plan and reads its results.

The same kind of events as the executor's: tuples whose first field is the time in seconds on the run's
monotonic clock, so that a reader can take both streams as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage


@dataclass(frozen=True, slots=True)
class Usage:
    """Model tokens.

    Attributes:
        input_tokens: prompt tokens.
        output_tokens: generated tokens. Where a stream was closed before the model said: the pieces received.
        cached_tokens: prompt tokens the server had in its prefix cache; 0 where it does not say.
        model_calls: requests made.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    model_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.model_calls + other.model_calls,
        )

    @classmethod
    def of(cls, message: AIMessage) -> Usage:
        """What a model said one of its messages took; zeros where it said nothing."""
        said = message.usage_metadata
        if said is None:
            return cls()
        cached = said.get("input_token_details", {}).get("cache_read", 0)
        return cls(said["input_tokens"], said["output_tokens"], cached)


class PlanStarted(NamedTuple):
    """The model is asked for a plan. `round` counts from 0; `attempt` is 1 for a correction."""

    time: float
    round: int
    attempt: int


class PlanText(NamedTuple):
    """A piece of the plan as the model wrote it."""

    time: float
    text: str


class PlanWarning(NamedTuple):
    """Something in the plan was understood but is not how a plan is written."""

    time: float
    message: str
    line: int
    column: int


class PlanRejected(NamedTuple):
    """What the model wrote cannot be run. If `again`, it is asked to correct it."""

    time: float
    problems: tuple[str, ...]
    again: bool


class PlanFinished(NamedTuple):
    """The plan is complete. `usage` and `seconds` are those of all its attempts."""

    time: float
    tasks: int
    usage: Usage
    seconds: float


class TaskReused(NamedTuple):
    """A call was not made: task `earlier` has its result, or will have it."""

    time: float
    id: str
    earlier: str


class PlanRewritten(NamedTuple):
    """A pass changed the plan; `note` says what it did."""

    time: float
    by: str
    note: str


class CallSpeculated(NamedTuple):
    """A call began before its line was complete. `stage` says what became of it since."""

    time: float
    call: str
    stage: Literal["begun", "used", "dropped"]


class JoinStarted(NamedTuple):
    """The model is asked what the results mean. `final`: it must answer now."""

    time: float
    final: bool


class Joined(NamedTuple):
    """The model has decided. `answer` is None when it asks for more calls."""

    time: float
    answer: str | None
    tasks: tuple[str, ...]
    usage: Usage
    seconds: float


class Replanned(NamedTuple):
    """Another round begins, because of `reason`."""

    time: float
    reason: str


PlannerEvent = (
    PlanStarted
    | PlanText
    | PlanWarning
    | PlanRejected
    | PlanFinished
    | TaskReused
    | PlanRewritten
    | CallSpeculated
    | JoinStarted
    | Joined
    | Replanned
)

PlannerObserver = Callable[[PlannerEvent], None]
"""Called with every event, in order: it must be quick. What it raises ends the planning."""


def ignore(_: PlannerEvent) -> None:
    """The observer of those who want none."""
