"""What is asked before a call, in words, and what a typed answer means. Pure."""

from __future__ import annotations

import json
from enum import Enum

from rich.text import Text

from agentrt.errors import UsageError
from agentrt.trace.timeline import one_line, printable
from executor.approval import Approval, Verdict

ANSWERS = "yes, no [WHY], value JSON"
"""How an answer is written."""

_LONGEST_ORIGINS = 200


class Later(Enum):
    """Not now: the call waits, and the run parks when nothing else is left to do."""

    LATER = "later"


def read_answer(text: str) -> Verdict | Later:
    """What an answer means; words may be cut short: `y`, `n it is too late`, `v "sent"`, `l`.

    Raises:
        UsageError: it means nothing; the message says how answers are written.
    """
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    word = word.lower()
    if word == "":
        raise UsageError(f"write {ANSWERS}, or later")
    if "no".startswith(word):
        return Verdict("no", rest)
    if "value".startswith(word) and rest:
        try:
            return Verdict("value", value=json.loads(rest))
        except (ValueError, RecursionError) as error:
            raise UsageError(f'a value is JSON, such as value "done": {error}') from error
    if "yes".startswith(word) and not rest:
        return Verdict("yes")
    if "later".startswith(word) and not rest:
        return Later.LATER
    raise UsageError(f"{one_line(text, 60)!r} is no answer; write {ANSWERS}, or later")


def question_text(approval: Approval, *, may_wait: bool) -> Text:
    """The question as it is shown, without what is typed: what would be called, why that is asked, how to answer."""
    lines = Text(printable(approval.question), style="bold yellow")
    lines.append(printable(f"\n  {approval.task}. {approval.tool} {one_line(approval.arguments)}"), style="default")
    if approval.origins:
        chains = one_line(", ".join(approval.origins), _LONGEST_ORIGINS)
        lines.append(f"\n  its arguments rest on results of: {chains}", style="dim")
    lines.append(f"\n  {ANSWERS}{', later' if may_wait else ''}: ", style="dim")
    return lines
