"""Debate: one agent solves, the others criticise and do not answer themselves (Optima's second setting)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multiagent.formats import Duty, Format
from multiagent.protocols.port import Protocol, others
from multiagent.transcript import Transcript

_AGREES = re.compile(
    r"^\W*(?:i\s+)?agree(?:d)?\b(?!\s+(?:with\s+(?:some|part)|but|only))", re.IGNORECASE | re.MULTILINE
)


class Debate(Protocol):
    """The first agent is the solver, the others are critics.

    A critic's own answers do not count: it endorses the solver's newest answer by a line that begins with `AGREE`.
    So an agreement always takes two agents, the one who answered and the one who checked.
    """

    name = "debate"

    def rules(self, names: Sequence[str]) -> str:
        return f"{names[0]} solves a problem, {others(names[0], names)} checks each step of the solution."

    def brief(self, name: str, names: Sequence[str]) -> str:
        if name == names[0]:
            return "You are the solver. Solve step by step, briefly. When you are criticised, correct what is wrong."
        return (
            "You are a critic. Do not solve the problem and give no answer of your own. Point out the first mistake "
            "in one sentence. If there is none, write the single word AGREE."
        )

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        solver = next((turn.speaker for turn in transcript), speaker)
        if speaker == solver:
            return form.answer(text)
        solved = [turn.answer for turn in transcript.by(solver) if turn.answer is not None]
        return solved[-1] if solved and agrees(text) else None

    def duty(self, name: str, transcript: Transcript, names: Sequence[str]) -> Duty | None:
        return "solve" if name == names[0] else "review"

    def closer(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        return names[0]


def agrees(text: str) -> bool:
    """Whether a critic accepts what it checked: a line that begins with `AGREE`."""
    return _AGREES.search(text) is not None
