"""When a conversation ends: one expression of conditions, joined with `|` and `&`, checked after every turn.

    until = Agreement() | MaxTurns(10) | TokenBudget(800)

A condition is a pure function of the transcript, so a resumed conversation stops exactly where it would have.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from multiagent.metrics import same_answer
from multiagent.transcript import Transcript, Turn

_NUMBERS = re.compile(r"\d+")


class Until(ABC):
    """A condition on the transcript."""

    @abstractmethod
    def reason(self, transcript: Transcript) -> str | None:
        """Why the conversation ends here, or None where it goes on."""

    @property
    def bounded(self) -> bool:
        """Whether it must come true some day, whatever the agents say."""
        return False

    def allowance(self, transcript: Transcript) -> int | None:
        """Tokens the next turn may write; None for no limit."""
        del transcript
        return None

    @property
    def reserve(self) -> int | None:
        """Tokens kept back for a last answer; None where it reserves none."""
        return None

    def __or__(self, other: Until) -> Until:
        return AnyOf((self, other))

    def __and__(self, other: Until) -> Until:
        return AllOf((self, other))


@dataclass(frozen=True)
class AnyOf(Until):
    """Ends when one of its parts does; the first that does gives the reason."""

    parts: tuple[Until, ...]

    def reason(self, transcript: Transcript) -> str | None:
        return next((why for part in self.parts if (why := part.reason(transcript)) is not None), None)

    @property
    def bounded(self) -> bool:
        return any(part.bounded for part in self.parts)

    def allowance(self, transcript: Transcript) -> int | None:
        return min((left for part in self.parts if (left := part.allowance(transcript)) is not None), default=None)

    @property
    def reserve(self) -> int | None:
        return min((kept for part in self.parts if (kept := part.reserve) is not None), default=None)

    def __str__(self) -> str:
        return " | ".join(f"({part})" if isinstance(part, AllOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AllOf(Until):
    """Ends when all of its parts do."""

    parts: tuple[Until, ...]

    def reason(self, transcript: Transcript) -> str | None:
        reasons: list[str] = []
        for part in self.parts:
            why = part.reason(transcript)
            if why is None:
                return None
            reasons.append(why)
        return " & ".join(reasons)

    @property
    def bounded(self) -> bool:
        return all(part.bounded for part in self.parts)

    # No allowance and no reserve: a budget that does not end the conversation by itself does not limit a turn either.

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class Agreement(Until):
    """`agents` DISTINCT agents in a row gave the same answer. An agent cannot agree with itself.

    Args:
        agents: how many have to agree.
        same: whether two answers mean the same.
    """

    agents: int = 2
    same: Callable[[str, str], bool] = same_answer

    def reason(self, transcript: Transcript) -> str | None:
        if not transcript.turns or (newest := transcript[-1].answer) is None:
            return None
        agreed: set[str] = set()
        for turn in reversed(transcript.turns):
            if turn.answer is None or not self.same(turn.answer, newest):
                break
            agreed.add(turn.speaker)
        return "agreement" if len(agreed) >= self.agents else None

    def __str__(self) -> str:
        return "Agreement()" if self.agents == 2 else f"Agreement({self.agents})"


@dataclass(frozen=True)
class MaxTurns(Until):
    """That many turns have been spoken."""

    turns: int

    def reason(self, transcript: Transcript) -> str | None:
        return "max_turns" if len(transcript.regular) >= self.turns else None

    @property
    def bounded(self) -> bool:
        return True

    def __str__(self) -> str:
        return f"MaxTurns({self.turns})"


@dataclass(frozen=True)
class TokenBudget(Until):
    """The agents may write `tokens` tokens in all, `last_answer` of them only to answer once the rest is spent.

    A turn is never allowed more than what is left, so a model that keeps to its token limit never passes the budget.

    Args:
        tokens: for all messages together. Prompts are not counted, as in Optima's measure.
        last_answer: kept back for the last answer.
        least: a turn shorter than this is not begun.
    """

    tokens: int
    last_answer: int = 48
    least: int = 8

    def __post_init__(self) -> None:
        if self.tokens < self.last_answer + self.least:
            raise ValueError(
                f"TokenBudget({self.tokens}) leaves no room for a turn of {self.least} tokens "
                f"beside the {self.last_answer} reserved for the last answer"
            )

    def reason(self, transcript: Transcript) -> str | None:
        return "token_budget" if self.allowance(transcript) < self.least else None

    @property
    def bounded(self) -> bool:
        return True

    def allowance(self, transcript: Transcript) -> int:
        return self.tokens - self.last_answer - transcript.tokens

    @property
    def reserve(self) -> int | None:
        return self.last_answer

    def __str__(self) -> str:
        return f"TokenBudget({self.tokens})"


@dataclass(frozen=True)
class EndMark(Until):
    """The newest turn ends with a line that is the mark and nothing else. Talking about the mark ends nothing."""

    mark: str

    def reason(self, transcript: Transcript) -> str | None:
        lines = transcript[-1].text.strip().splitlines() if transcript.turns else []
        return "end_mark" if lines and lines[-1].strip() == self.mark else None

    def __str__(self) -> str:
        return f"EndMark({self.mark!r})"


@dataclass(frozen=True)
class When(Until):
    """A condition of your own: `When(lambda transcript: …, "reason")`."""

    true: Callable[[Transcript], bool]
    why: str

    def reason(self, transcript: Transcript) -> str | None:
        return self.why if self.true(transcript) else None

    def __str__(self) -> str:
        return f"When({self.why!r})"


@dataclass(frozen=True)
class Repeats(Until):
    """Nearly the same text `times` times in a row: by everybody, or by one agent in its own turns.

    Args:
        times: how often.
        likeness: `SequenceMatcher` ratio from which two texts are the same.
    """

    times: int = 3
    likeness: float = 0.95

    def reason(self, transcript: Transcript) -> str | None:
        turns = transcript.regular
        if not turns or not turns[-1].text.strip():
            return None
        own = [turn for turn in turns if turn.speaker == turns[-1].speaker]
        return "repeats" if self._same(turns[-self.times :]) or self._same(own[-self.times :]) else None

    def _same(self, turns: list[Turn] | tuple[Turn, ...]) -> bool:
        if len(turns) < self.times:
            return False
        return all(alike(turn.text, turns[-1].text, self.likeness) for turn in turns[:-1])

    def __str__(self) -> str:
        return f"Repeats({self.times})"


@dataclass(frozen=True)
class PingPong(Until):
    """The last turns are the same exchange, `rounds` times over: a b a b."""

    rounds: int = 2
    likeness: float = 0.95

    def reason(self, transcript: Transcript) -> str | None:
        turns = transcript.regular[-2 * self.rounds :]
        if len(turns) < 2 * self.rounds or not all(turn.text.strip() for turn in turns):
            return None
        pairs = zip(turns, turns[2:], strict=False)
        return "ping_pong" if all(alike(one.text, other.text, self.likeness) for one, other in pairs) else None

    def __str__(self) -> str:
        return f"PingPong({self.rounds})"


@dataclass(frozen=True)
class Silence(Until):
    """One agent's last `turns` turns are empty."""

    turns: int = 2

    def reason(self, transcript: Transcript) -> str | None:
        if not transcript.turns:
            return None
        own = transcript.by(transcript[-1].speaker)[-self.turns :]
        return "silence" if len(own) == self.turns and not any(turn.text.strip() for turn in own) else None

    def __str__(self) -> str:
        return f"Silence({self.turns})"


def alike(one: str, other: str, likeness: float) -> bool:
    """Whether two texts are the same but for a few characters. Another number is another text."""
    if _NUMBERS.findall(one) != _NUMBERS.findall(other):
        return False
    left, right = " ".join(one.lower().split()), " ".join(other.lower().split())
    if left == right:
        return True
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    # The two quick ratios are upper bounds: most pairs are told apart without the quadratic comparison.
    return matcher.real_quick_ratio() >= likeness and matcher.quick_ratio() >= likeness and matcher.ratio() >= likeness
