"""What happens in a conversation, as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multiagent.rewards import RewardParts
from multiagent.transcript import Transcript, Turn, Usage


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """An agent begins to speak."""

    speaker: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more text of the turn an agent is speaking, as the model writes it."""

    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """A turn is over and part of the transcript."""

    turn: Turn


@dataclass(frozen=True)
class ConversationResult:
    """How a conversation ended.

    Attributes:
        answer: None where nobody gave one, not even when asked for a last answer.
        stop_reason: `agreement`, `max_turns`, `token_budget`, `repeats`, `ping_pong`, `silence`, `context_window`,
            `end_mark`, a protocol's own (`answered`, `approved`, `voted`, …), or reasons joined by ` & `. Never empty.
        transcript: all turns.
        usage_by_agent: tokens and calls; `(selector)` is the model that chose the speakers.
        seconds: wall time, that before a resume not included.
        systems: each agent's system message.
        details: what the protocol knows beside the answer.
        reward: with `run(…, reference=…)` and a reward, how good it was.
    """

    answer: str | None
    stop_reason: str
    transcript: Transcript
    usage_by_agent: Mapping[str, Usage]
    seconds: float
    systems: Mapping[str, str]
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reward: RewardParts | None = None

    @property
    def tokens(self) -> int:
        """Tokens the agents wrote."""
        return self.transcript.tokens


@dataclass(frozen=True, slots=True)
class Stopped:
    """The conversation is over. Always the last event."""

    result: ConversationResult


ConversationEvent = TurnStarted | Piece | TurnFinished | Stopped
