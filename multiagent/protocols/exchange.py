"""Information exchange: the facts are split between the agents, who have to tell each other what is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from multiagent.formats import Duty, Format
from multiagent.protocols.port import Protocol, others
from multiagent.transcript import Transcript

_ENDORSES = re.compile(
    r"\W*(?:(?:yes|right|correct)\W+)?(?:i\s+)?agree(?:d)?(?:\s+with\s+(?:you|that|\w+))?\W*", re.IGNORECASE
)


_SHORT = "as short as possible: no explanation, no sentence"
_CUES: Mapping[Duty, str] = {
    "share": "Tell the others what your texts say about the names in the question. No answer yet.",
    "answer": f"Tell what your texts add to this. Then the answer to the question, {_SHORT}.",
    "settle": f"Write only the answer to the question, {_SHORT}.",
}


class InfoExchange(Protocol):
    """Optima's first setting, for two agents or more: each knows a part, none can answer alone.

    Args:
        guided: gives every turn a duty and says it in the prompt: first all tell what they know, then all answer.
            Models that were not trained to talk need it: they answer at once, from half the facts. Training does
            without, so that it is free to find something better.
    """

    name = "exchange"

    def __init__(self, *, guided: bool = True) -> None:
        self.guided = guided

    def rules(self, names: Sequence[str]) -> str:
        return (
            f"{', '.join(names)} answer a question together. Each knows facts that the others cannot see. "
            "In a message, tell only what the others need to answer the question, ask for what you lack, "
            "and give the answer once the facts of all are in. If you agree with an answer, give the same answer."
        )

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        """The message's own answer, or the partner's newest where all it says is that it agrees.

        Where nothing but an answer was asked for, a short line is one without a mark too.
        """
        own, said = form.answer(text), text.strip()
        if own is not None:
            return own
        if _ENDORSES.fullmatch(said):
            return next((turn.answer for turn in reversed(transcript) if turn.speaker != speaker and turn.answer), None)
        names = tuple(dict.fromkeys([*(turn.speaker for turn in transcript), speaker]))
        if self.duty(speaker, transcript, names) == "settle" and 0 < len(said.split()) <= 8 and "\n" not in said:
            return said.rstrip(".")
        return None

    def duty(self, name: str, transcript: Transcript, names: Sequence[str]) -> Duty | None:
        """First everybody tells what it knows; whoever hears all others first answers; after that, answers alone."""
        if not self.guided:
            return None
        heard = {turn.speaker for turn in transcript}
        if any(other not in heard for other in names if other != name):
            return "share"
        return "settle" if name in heard else "answer"

    def cue(self, name: str, transcript: Transcript, names: Sequence[str]) -> str:
        duty = self.duty(name, transcript, names)
        return _CUES[duty] if duty is not None else ""

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
