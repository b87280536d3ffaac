"""What has been said: turns, in order, with who said them and what they cost. Immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

from pydantic import TypeAdapter

Flag = Literal["empty", "speaks_for_other", "cut"]
"""What is wrong with a turn: nothing said, lines put into a partner's mouth, broken off at its token limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, and calls made."""

    prompt: int = 0
    completion: int = 0
    calls: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.completion + other.completion, self.calls + other.calls)


@dataclass(frozen=True, slots=True)
class Turn:
    """One agent's message.

    Attributes:
        speaker: the agent's name.
        text: what the others see.
        answer: the answer this turn gives or endorses, if any.
        usage: tokens of all model calls of this turn, those of tool rounds included.
        kind: `last` for the answer asked for after the conversation had to stop.
        wave: turns of one wave were spoken at the same time and did not see each other.
        flags: what is wrong with it.
        seconds: how long it took.
        logprobs: of the tokens written, where the model gives them.
        steps: tool calls and tool results of this turn, as langchain message dicts. Only the speaker sees them.
    """

    speaker: str
    text: str
    answer: str | None = None
    usage: Usage = Usage()
    kind: Literal["turn", "last"] = "turn"
    wave: int = 0
    flags: frozenset[Flag] = frozenset()
    seconds: float = 0.0
    logprobs: tuple[float, ...] | None = None
    steps: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript(Sequence[Turn]):
    """A question and the turns spoken on it."""

    question: str
    turns: tuple[Turn, ...] = ()

    def __len__(self) -> int:
        return len(self.turns)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Turn]: ...
    def __getitem__(self, index: int | slice) -> Turn | Sequence[Turn]:
        return self.turns[index]

    def add(self, turn: Turn) -> Transcript:
        """This transcript with one more turn."""
        return replace(self, turns=(*self.turns, turn))

    def by(self, speaker: str) -> tuple[Turn, ...]:
        """The turns of one agent."""
        return tuple(turn for turn in self.turns if turn.speaker == speaker)

    @property
    def regular(self) -> tuple[Turn, ...]:
        """The turns without the last answer that the runtime asked for."""
        return tuple(turn for turn in self.turns if turn.kind == "turn")

    @property
    def tokens(self) -> int:
        """Tokens written. A turn counts for at least one, so that silence is not free."""
        return sum(max(1, turn.usage.completion) for turn in self.turns)

    @property
    def answer(self) -> str | None:
        """The newest answer anybody gave."""
        return next((turn.answer for turn in reversed(self.turns) if turn.answer is not None), None)

    @property
    def usage_by_agent(self) -> Mapping[str, Usage]:
        """Tokens and calls of each agent that has spoken."""
        found: dict[str, Usage] = {}
        for turn in self.turns:
            found[turn.speaker] = found.get(turn.speaker, Usage()) + turn.usage
        return found

    def render(self) -> str:
        """One line per turn, `name: text`, for people."""
        return "\n".join(f"{turn.speaker}: {turn.text}" for turn in self.turns)


_TURN = TypeAdapter(Turn)


def turn_to_json(turn: Turn) -> str:
    """One turn as JSON text."""
    return _TURN.dump_json(turn).decode()


def turn_from_json(text: str | bytes) -> Turn:
    """Reads `turn_to_json`'s text again.

    Raises:
        pydantic.ValidationError: it is not one.
    """
    return _TURN.validate_json(text)
