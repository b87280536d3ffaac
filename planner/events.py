"""What happens while a model writes a plan and reads its results.

The same kind of events as the executor's: tuples whose first field is the time in seconds on the run's
monotonic clock, so that a reader can take both streams as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
        drafted_tokens: tokens that a draft proposed; 0 where the server does not say.
        accepted_tokens: those the model took.
        first_token_seconds: waits for the first token, summed over the requests of which it is known.
        timed_calls: how many these are.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    model_calls: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    first_token_seconds: float = 0.0
    timed_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def acceptance(self) -> float | None:
        """Share of drafted tokens that were taken; None where nothing is known of drafts."""
        return self.accepted_tokens / self.drafted_tokens if self.drafted_tokens else None

    @property
    def tokens_per_call(self) -> float | None:
        """Tokens from one pass of the model: every pass gives one, and what it took; None as with `acceptance`."""
        passes = self.output_tokens - self.accepted_tokens
        return self.output_tokens / passes if self.drafted_tokens and passes > 0 else None

    @property
    def first_token(self) -> float | None:
        """Mean seconds to the first token; None where it is not known."""
        return self.first_token_seconds / self.timed_calls if self.timed_calls else None

    def to_json(self) -> dict[str, int | float | None]:
        """Counts and the rates made of them, as JSON data."""
        return {
            **asdict(self),
            "acceptance": self.acceptance,
            "tokens_per_call": self.tokens_per_call,
            "first_token": self.first_token,
        }

    @classmethod
    def of(cls, message: AIMessage) -> Usage:
        """What a model said one of its messages took; zeros where it said nothing.

        Drafts and waits have no place in langchain-core's usage: they are read from `served` in the message's
        `response_metadata`, with `first_token` (seconds), `drafted` and `accepted`, each of which may be missing.
        """
        said = message.usage_metadata
        if said is None:
            return cls()
        cached = said.get("input_token_details", {}).get("cache_read", 0)
        served: dict[str, Any] = message.response_metadata.get("served", {})
        wait = served.get("first_token")
        return cls(
            said["input_tokens"],
            said["output_tokens"],
            cached,
            drafted_tokens=served.get("drafted", 0),
            accepted_tokens=served.get("accepted", 0),
            first_token_seconds=wait or 0.0,
            timed_calls=0 if wait is None else 1,
        )


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
