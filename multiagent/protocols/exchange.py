"""Information exchange: the facts are split between the agents, who have to tell each other what is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multiagent.formats import Duty, Format
from multiagent.protocols.port import Protocol, others
from multiagent.transcript import Transcript

_ENDORSES = re.compile(
    r"\W*(?:(?:yes|right|correct)\W+)?(?:i\s+)?agree(?:d)?(?:\s+with\s+(?:you|that|\w+))?\W*", re.IGNORECASE
)


class InfoExchange(Protocol):
    """Optima's first setting, for two agents or more: each knows a part, none can answer alone."""

    name = "exchange"

    def rules(self, names: Sequence[str]) -> str:
        return (
            f"{', '.join(names)} answer a question together. Each knows facts that the others cannot see. "
            "In a message, tell only what the others need to answer the question, ask for what you lack, "
            "and give the answer once the facts of all are in. If you agree with an answer, give the same answer."
        )

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        """The message's own answer, or the partner's newest where all it says is that it agrees."""
        own = form.answer(text)
        if own is not None or not _ENDORSES.fullmatch(text.strip()):
            return own
        return next((turn.answer for turn in reversed(transcript) if turn.speaker != speaker and turn.answer), None)

    def duty(self, name: str, transcript: Transcript, names: Sequence[str]) -> Duty | None:
        """Nothing can be known before all others have spoken; from then on every turn ends with an answer."""
        heard = {turn.speaker for turn in transcript}
        return "answer" if all(other in heard for other in names if other != name) else "share"

    def brief(self, name: str, names: Sequence[str]) -> str:
        return f"You talk to {others(name, names)}. Speak only for yourself."


class Solo(Protocol):
    """One agent alone: the baseline. It ends with its first turn that has an answer."""

    name = "solo"
    most = 1
    least = 1

    def rules(self, names: Sequence[str]) -> str:
        return "You answer a question."

    def brief(self, name: str, names: Sequence[str]) -> str:
        return ""

    def ended(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        return "answered" if transcript.answer is not None else None
