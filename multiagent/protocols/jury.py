"""Judge and jury: solvers answer on their own, then judges choose among the answers (Fellowship of the LLMs, 2024)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from multiagent.agreement import majority
from multiagent.errors import WrongAgents
from multiagent.formats import Format
from multiagent.metrics import same_answer
from multiagent.protocols.port import Protocol
from multiagent.speakers import Floor, Speakers
from multiagent.transcript import Transcript, Turn

_VOTE = re.compile(r"\bvote\b\W*([A-Z])\b", re.IGNORECASE)
_LETTER = re.compile(r"(?<![A-Za-z'])([A-Z])(?![A-Za-z'])")


class Jury(Protocol):
    """The last `judges` agents vote, each without seeing the other votes and all at the same time.

    What they vote on is `candidates`, or else what the agents before them answered, likewise unseen by each other.
    The answer is the candidate with most votes; `details` has the votes, the count and the share that agreed. For
    agreement over many questions give the `details["votes"]` of the results to `jury_statistics`.

    Args:
        judges: how many of the agents, counted from the last, are judges.
        candidates: answers to choose from; None lets the other agents answer first.
    """

    name = "jury"
    least = 1

    def __init__(self, judges: int = 3, *, candidates: Sequence[str] | None = None) -> None:
        self.judges = judges
        self.candidates = tuple(candidates) if candidates is not None else None

    def check(self, names: Sequence[str]) -> None:
        solvers = len(names) - self.judges
        if self.judges < 1 or (self.candidates is None and solvers < 1) or (self.candidates is not None and solvers):
            wanted = f"{self.judges} judges" + ("" if self.candidates is not None else " and at least one solver")
            raise WrongAgents(f"this {self.name} takes {wanted} and got {len(names)} agents: {', '.join(names)}")
        choices = len(self.candidates) if self.candidates is not None else solvers
        if not 1 <= choices <= len(ascii_uppercase):
            raise WrongAgents(f"a {self.name} chooses among 1 to {len(ascii_uppercase)} answers, not {choices}")

    def rules(self, names: Sequence[str]) -> str:
        text = "A question gets several answers, and judges vote for the best of them."
        if self.candidates is not None:
            listed = "\n".join(f"{ascii_uppercase[at]}: {one}" for at, one in enumerate(self.candidates))
            text += f"\nThe answers:\n{listed}"
        return text

    def brief(self, name: str, names: Sequence[str]) -> str:
        solvers = self._solvers(names)
        if name in solvers:
            return "Answer the question on your own."
        told = ""
        if self.candidates is None:
            told = f" {', '.join(f'{solver} gives answer {ascii_uppercase[at]}' for at, solver in enumerate(solvers))}."
        return f"You are a judge.{told} Write one line: `VOTE: ` and the letter of the best answer."

    def speakers(self) -> Speakers:
        return _Waves(self)

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        # Nothing but the vote decides: neither a solver's answer nor a judge's own ends the conversation.
        return None

    def ended(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        return "voted" if all(transcript.by(judge) for judge in self._judges(names)) else None

    def outcome(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        votes = self.votes(transcript, names)
        return self._candidates(transcript, names)[majority(votes)] if votes else None

    def closer(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        return names[-1]

    def sees(self, viewer: str, turn: Turn, names: Sequence[str]) -> bool:
        return viewer in self._judges(names) and turn.speaker in self._solvers(names)

    def details(self, transcript: Transcript, names: Sequence[str]) -> Mapping[str, Any]:
        votes = self.votes(transcript, names)
        tally = {letter: list(votes.values()).count(letter) for letter in self._candidates(transcript, names)}
        agreed = max(tally.values()) / len(votes) if votes else 0.0
        return {"votes": votes, "tally": tally, "agreed": agreed, "candidates": self._candidates(transcript, names)}

    def votes(self, transcript: Transcript, names: Sequence[str]) -> dict[str, str]:
        """Each judge's letter; a judge whose message names no candidate has not voted."""
        letters = self._candidates(transcript, names)
        cast: dict[str, str] = {}
        for judge in self._judges(names):
            vote = next((read_vote(turn.text, letters) for turn in reversed(transcript.by(judge))), None)
            if vote is not None:
                cast[judge] = vote
        return cast

    def _judges(self, names: Sequence[str]) -> Sequence[str]:
        return names[len(names) - self.judges :]

    def _solvers(self, names: Sequence[str]) -> Sequence[str]:
        return names[: len(names) - self.judges]

    def _candidates(self, transcript: Transcript, names: Sequence[str]) -> dict[str, str]:
        if self.candidates is not None:
            return dict(zip(ascii_uppercase, self.candidates, strict=False))
        found: dict[str, str] = {}
        for at, solver in enumerate(self._solvers(names)):
            said = transcript.by(solver)
            if said and said[-1].text:
                found[ascii_uppercase[at]] = Format("", "").answer(said[-1].text) or said[-1].text
        return found


class Judge(Jury):
    """A jury of one: the last agent judges."""

    name = "judge"

    def __init__(self, *, candidates: Sequence[str] | None = None) -> None:
        super().__init__(1, candidates=candidates)


def read_vote(text: str, candidates: Mapping[str, str]) -> str | None:
    """The letter a judge voted for: after `VOTE`, or a lone letter, or a candidate's own words; None for none of these.

    A text with several candidates' letters and no `VOTE` is no vote.
    """
    marked = [letter.upper() for letter in _VOTE.findall(text)]
    if marked and marked[-1] in candidates:
        return marked[-1]
    lone = {letter for letter in _LETTER.findall(text) if letter in candidates}
    # "A" and "I" begin sentences: a lone letter counts only where nothing much stands beside it.
    if len(lone) == 1 and len(text.split()) <= 3:
        return lone.pop()
    named = [letter for letter, words in candidates.items() if same_answer(text, words)]
    return named[0] if len(named) == 1 else None


class _Waves(Speakers):
    """All solvers at once, then all judges at once."""

    def __init__(self, jury: Jury) -> None:
        self._jury = jury

    async def next(self, floor: Floor) -> tuple[str, ...]:
        silent = [name for name in floor.names if not floor.transcript.by(name)]
        judges = floor.names[len(floor.names) - self._jury.judges :]
        solvers = [name for name in silent if name not in judges]
        return tuple(solvers or silent)
