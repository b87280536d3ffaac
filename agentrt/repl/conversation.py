"""What was asked and answered so far, and how a follow-up question sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agentrt.trace.timeline import one_line

if TYPE_CHECKING:
    from agentrt.answer import Answer

_LONGEST_QUESTION = 300
_LONGEST_ANSWER = 500


class Turn(NamedTuple):
    """A question and its answer."""

    question: str
    answer: Answer


def in_context(question: str, turns: Sequence[Turn], most: int) -> str:
    """`question` with the last `most` turns before it, shortened, so that "and his wife?" can be understood.

    The question itself comes last and unchanged; without turns it is all there is. What was said earlier may come from
    tools: it is data, on one line, with the marks broken up that chat templates reserve.
    """
    seen = turns[-most:] if most else ()
    if not seen:
        return question
    from planner.rounds import without_marks

    lines = ["Earlier in this conversation:"]
    for turn in seen:
        lines.append(f"- asked: {without_marks(one_line(turn.question, _LONGEST_QUESTION))}")
        lines.append(f"  answered: {without_marks(one_line(turn.answer.text, _LONGEST_ANSWER))}")
    return "\n".join([*lines, f"Now the question is: {question}"])


def as_markdown(turns: Sequence[Turn]) -> str:
    """The conversation as a Markdown document, with the evidence of each answer."""
    parts = ["# Conversation\n"]
    for turn in turns:
        parts.append(f"## {one_line(turn.question, 200)}\n\n{turn.answer.text}\n")
        for item in turn.answer.evidence:
            source = f" ({item.source})" if item.source else ""
            parts.append(f"- [{item.task}] {one_line(item.title, 200)}{source}: {one_line(item.text, 300)}")
        if turn.answer.evidence:
            parts.append("")
    return "\n".join(parts)


def as_data(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The conversation as JSON data."""
    return [{"question": turn.question, **turn.answer.to_json()} for turn in turns]
