"""Answering one question: a policy at work, written down as it goes, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import anyio

from agentrt.answer import Answer, answer_of
from agentrt.durable import Tape, recorded
from agentrt.policies import MakePolicy, Setting, Way, policy_for, way_of
from agentrt.remembering import Memory
from agentrt.stopwatch import Stopwatch
from executor import Plan
from planner import Conclusion

# Settings that a run keeps, so that it is resumed and replayed with the same.
_KEPT = ("form", "max_replans", "max_tasks", "max_plan_tokens", "examples")


def head_of(question: str, setting: Setting, way: Way | MakePolicy, plan: Plan | None) -> dict[str, object]:
    """What is kept of a question beside its events: all that is needed to go on with it."""
    head: dict[str, object] = {
        "question": question,
        "settings": {name: getattr(setting, name) for name in _KEPT},
        "way": "given" if plan is not None else "own" if callable(way) else way,
    }
    return head if plan is None else {**head, "plan": plan.to_json()}


async def answered(
    question: str,
    setting: Setting,
    way: Way | MakePolicy,
    stopwatch: Stopwatch,
    memory: Memory,
    pairs: Path | None,
) -> Answer:
    """Answers a question; with a log in `setting.means` it goes on from what is in there.

    Args:
        question: in words.
        setting: with the means of this run.
        way: how it is answered; a run that is in the log keeps its own.
        stopwatch: has seen the events of `setting`.
        memory: learns from the plan where it led straight to an answer.
        pairs: a file to which preference pairs are added.
    """
    log, account = setting.means.log, setting.means.account
    if log is None:
        conclusion = await _concluded(question, setting, way, pairs)
        memory.learn(question, conclusion)
        return answer_of(conclusion, stopwatch.timings(), account=account)
    with log.closing() as ended:
        # Runs of earlier versions were begun without examples.
        kept: dict[str, Any] = {"examples": [], **cast("dict[str, Any]", log.info.head["settings"])}
        setting = replace(setting, observe=Tape(log).before(setting.observe), **kept)
        conclusion = await _concluded(question, setting, way_of(log.info, way), pairs)
        memory.learn(question, conclusion)
        found = answer_of(conclusion, stopwatch.timings(), log.id, account)
        ended.update(
            text=found.text,
            ending=found.ending,
            evidence=list(conclusion.evidence),
            replans=found.replans,
            usage=asdict(found.usage),
            timings=asdict(found.timings),
            note=found.note,
        )
    return found


async def _concluded(question: str, setting: Setting, way: Way | MakePolicy, pairs: Path | None) -> Conclusion:
    means = setting.means
    if means.log is not None or means.account is not None:
        setting = replace(setting, model=recorded(setting.model, means.log, means.account))
    conclusion = await policy_for(way, setting).answer(question)
    if pairs is not None and conclusion.pairs:
        rows = "".join(json.dumps(pair.to_json(), ensure_ascii=False) + "\n" for pair in conclusion.pairs)
        async with await anyio.open_file(pairs, "a", encoding="utf-8") as file:
            await file.write(rows)
    return conclusion
