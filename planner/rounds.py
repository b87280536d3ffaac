"""What earlier plans of the same question did, and how a prompt shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from executor import Failed, Finished, Outcome, Plan, Skipped, Toolset, as_text
from planner.lines import as_line

_SHORTEST_PREVIEW = 60
_LONGEST_LINE = 400
_ROOM_FOR_BOTH_ENDS = 120


class Round(NamedTuple):
    """One plan that ran, and how its tasks ended."""

    plan: Plan
    outcomes: Mapping[str, Outcome]


def transcript(rounds: Iterable[Round], tools: Toolset, *, budget: int) -> str:
    """Each call on one line with how it ended; all previews together take about `budget` characters.

    Results are data: line breaks in them become spaces, so that none can pass for a line of a plan.
    """
    shown = [(task, done.outcomes.get(task.id)) for done in rounds for task in done.plan]
    each = max(_SHORTEST_PREVIEW, budget // max(1, len(shown)))
    lines: list[str] = []
    for task, outcome in shown:
        tool = tools.get(task.call)
        line = one_line(as_line(task, tool.signature if tool else None), _LONGEST_LINE)
        lines.append(f"{line} -> {ending(outcome, each)}")
    return "\n".join(lines)


def ending(outcome: Outcome | None, limit: int) -> str:
    """How a task ended, on one line of about `limit` characters."""
    match outcome:
        case Finished(value):
            return one_line(as_text(value), limit)
        case Failed(error):
            return f"FAILED: {one_line(str(error), limit)}"
        case Skipped(because):
            return f"NOT RUN: it needs task {because}"
        case None:
            return "NOT RUN"


def one_line(text: str, limit: int) -> str:
    """`text` on one line of about `limit` characters; of a long one the middle is left out, and it says so."""
    length = len(text)
    if length > limit >= _ROOM_FOR_BOTH_ENDS:
        half = limit // 2
        text = f"{text[: limit - half]} […{length - limit:,} characters left out…] {text[-half:]}"
    elif length > limit:
        text = f"{text[: limit - 1]}…"
    return " ".join(without_marks(text).split())


def without_marks(text: str) -> str:
    """`text` with the marks broken up that chat templates reserve for the turns of a conversation."""
    return text.replace("<|", "< |")


def ids_with_value(rounds: Sequence[Round]) -> list[str]:
    """Ids of the tasks an answer can rest on."""
    return [task.id for done in rounds for task in done.plan if isinstance(done.outcomes.get(task.id), Finished)]
