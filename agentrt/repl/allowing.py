"""`/approve` and `/budget`: what runs may do, and what they may spend."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast, get_args

from agentrt.approving import ANSWERS, POLICIES, Later, Policy, read_answer
from agentrt.errors import UsageError
from agentrt.repl.journal import own_runs, unfinished
from agentrt.repl.session import Session
from executor import Spent

if TYPE_CHECKING:
    from executor.approval import Approval

MORE = (
    "/approve RUN TASK says yes; after it may stand no [WHY], or value JSON where the call has happened. Policies: "
    + "; ".join(f"{name}, {meaning}" for name, meaning in POLICIES.items())
    + "."
)
BUDGET = {
    "calls": "tool calls of a run, retries included",
    "tokens": "model tokens of a run, prompts and replies",
    "seconds": "wall time of a run, over all that goes on with it",
}


async def approve(session: Session, text: str) -> None:
    """`/approve`: shows or sets the policy, or answers a call that waits."""
    words = text.split(None, 2)
    if not words:
        session.say(f"{session.asker.policy}: {POLICIES[session.asker.policy]}")
        waiting = [one for run in unfinished(session.journal) for one in _pending(session, run.id)]
        for one in waiting:
            session.say(f"{one.run}  {one.task}. {one.tool} {one.arguments}", "bold")
            session.say(f"    {one.question}  /approve {one.run} {one.task} {ANSWERS.replace(', ', ' | ')}")
        if not waiting:
            session.say("Nothing waits.", "dim")
        return
    if len(words) == 1:
        if words[0] not in get_args(Policy):
            known = ", ".join(get_args(Policy))
            raise UsageError(f"write /approve RUN TASK [{ANSWERS}], or a policy: {known}")
        session.asker.policy = cast("Policy", words[0])
        session.say(f"{words[0]}: {POLICIES[words[0]]}")
        return
    _answer(session, words[0], words[1], words[2] if len(words) > 2 else "yes")


def _answer(session: Session, name: str, task: str, said: str) -> None:
    from executor.approval import answer
    from executor.journal import find_run

    verdict = read_answer(said)
    if isinstance(verdict, Later):
        raise UsageError(f"it waits already; write {ANSWERS}")
    info = find_run(session.journal, name)
    answered = answer(session.journal, info.id, task, verdict)
    session.say(f"{verdict.answer}: {answered.task}. {answered.tool} {answered.arguments}")
    session.say(f"/resume {info.id.partition('-')[0]} goes on", "dim")


def approve_words(session: Session, before: list[str]) -> list[str]:
    """Completes `/approve`: policies and runs, then what waits in the run, then answers."""
    match before:
        case []:
            waiting = dict.fromkeys(one.run for run in unfinished(session.journal) for one in _pending(session, run.id))
            return [*get_args(Policy), *waiting]
        case [run]:
            return [one.task for one in _pending(session, run) if one.run == run]
        case [_, _]:
            return ["yes", "no", "value"]
        case _:
            return []


def _pending(session: Session, run: str) -> list[Approval]:
    """What waits in a run and inside its steps."""
    from executor.approval import pending

    inside = [one.id for one in session.journal.runs(limit=200) if one.id == run or one.id.startswith(f"{run}-")]
    return [one for name in inside for one in pending(session.journal, name)]


async def budget(session: Session, text: str) -> None:
    """`/budget`: shows the limits and what the last run spent, or sets them."""
    words = text.replace("=", " ").split()
    if words == ["off"]:
        session.budget = replace(session.budget, **dict.fromkeys(BUDGET))
        session.say("runs may spend what they need")
        return
    if not words:
        spent = _spent(session)
        for name, meaning in BUDGET.items():
            limit = getattr(session.budget, name)
            used = "" if spent is None else f"  last run: {round(getattr(spent, name), 1):,}"
            session.say(f"{name:8} {'off' if limit is None else f'{limit:g}':8} {meaning}{used}")
        return
    if len(words) % 2:
        raise UsageError("write /budget NAME LIMIT, as in /budget calls 20 seconds 60; a limit may be off")
    found = session.budget
    for name, limit in zip(words[::2], words[1::2], strict=True):
        found = replace(found, **{name: _limit(name, limit)})
    session.budget = found
    for name in words[::2]:
        session.say(f"{name} = {'off' if getattr(found, name) is None else format(getattr(found, name), 'g')}")


def _limit(name: str, text: str) -> float | None:
    if name not in BUDGET:
        raise UsageError(f"a budget has no {name!r}; it has: {', '.join(BUDGET)}")
    if text in ("off", "none"):
        return None
    whole = name != "seconds"
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"{name} is a {'whole ' if whole else ''}number of at least 0, or off, not {text!r}")
    return value


def budget_words(_: Session, before: list[str]) -> list[str]:
    """Completes `/budget`."""
    if len(before) % 2:
        return ["off"]
    return [name for name in [*BUDGET, *([] if before else ["off"])] if name not in before]


def _spent(session: Session) -> Spent | None:
    from agentrt.durable import spent_by

    mine = {run.run_id for run in session.runs}
    last = next((run for run in own_runs(session.journal) if run.id in mine), None)
    return None if last is None else spent_by(session.journal, last.id)
