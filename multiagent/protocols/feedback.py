"""Feedback loop: a generator drafts, a reviewer comments, round by round (Fellowship of the LLMs, 2024)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from multiagent.formats import Format
from multiagent.protocols.port import Protocol
from multiagent.transcript import Transcript

_APPROVED = re.compile(r"^\W*approved?\b", re.IGNORECASE | re.MULTILINE)


class FeedbackLoop(Protocol):
    """The first agent generates, the second reviews. It ends with the reviewer's approval or after `rounds` reviews.

    The answer is the newest draft: the answer it marks, or else the whole draft.
    """

    name = "feedback"
    most = 2

    def __init__(self, rounds: int = 3) -> None:
        self.rounds = rounds

    def rules(self, names: Sequence[str]) -> str:
        return f"{names[0]} writes a draft and {names[1]} reviews it, until the draft is approved."

    def brief(self, name: str, names: Sequence[str]) -> str:
        if name == names[0]:
            return "You write the draft. After a review, write the whole improved draft and nothing else."
        return (
            "You review the draft. Name the most important weakness and how to mend it, in at most two sentences. "
            "If nothing must change, write the single word APPROVED."
        )

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        generator = next((turn.speaker for turn in transcript), speaker)
        if speaker != generator:
            return None
        return form.answer(text) or (text.strip() or None)

    def ended(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        reviews = transcript.by(names[1])
        if not reviews or transcript[-1].speaker != names[1]:
            return None
        if _APPROVED.search(reviews[-1].text):
            return "approved"
        return "rounds" if len(reviews) >= self.rounds else None

    def details(self, transcript: Transcript, names: Sequence[str]) -> Mapping[str, Any]:
        reviews = transcript.by(names[1])
        return {"reviews": len(reviews), "approved": bool(reviews) and _APPROVED.search(reviews[-1].text) is not None}
