"""Finished runs told again: what they came to, and whether the program of today would go the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

from agentrt.answer import Answer, Answered, Timings, evidence_of
from agentrt.durable import (
    Comparer,
    RecordedExecutor,
    Retold,
    RunMeans,
    changed_tool,
    decisions_in,
    retell,
    retold_model,
)
from agentrt.policies import MakePolicy, Setting, Way, policy_for, way_of
from executor import Plan, Toolset
from executor.journal import Journal, Past, RunInfo
from planner import Usage


class Replayed(NamedTuple):
    """A finished run, told again.

    Attributes:
        events: all of them, as they were then.
        answer: of a question.
    """

    events: tuple[NamedTuple, ...]
    answer: Answer | None


async def replay(journal: Journal, info: RunInfo, setting: Setting, way: Way | MakePolicy) -> Replayed:
    """Runs the program of today with the replies and results of then. See `Runtime.replay`.

    Args:
        journal: where the run is.
        info: the run, which has finished.
        setting: the tools of today. Its model is not asked.
        way: the way of today, for questions that were answered by a policy of the caller's own.
    """
    plan, tools = _today(info, setting, way)
    past = Past.of(journal.read(info.id))
    if (changed := changed_tool(info.id, past, tools)) is not None:
        raise changed
    told = retell(journal, info.id, tools)
    executor = RecordedExecutor(tools, info.id, past, told.outcomes)
    if plan is not None:
        await executor.run(plan)
        executor.finish()
        return Replayed((*told.events,), None)
    compare = Comparer(info.id, told.events)
    means = RunMeans(recorded=executor, go_on=decisions_in(told.events))
    kept = cast("dict[str, Any]", info.head["settings"])
    setting = replace(setting, observe=compare, model=retold_model(past, info.id), means=means, **kept)
    await policy_for(way_of(info, way), setting).answer(str(info.head["question"]))
    executor.finish()
    compare.finish()
    last = next(record.time for record in journal.read(info.id, kinds=("Ended",)))
    answer = recorded_answer(journal, info.id, told)
    return Replayed((*told.events, Answered(last, answer)), answer)


def recorded_answer(journal: Journal, run_id: str, told: Retold) -> Answer:
    """The answer that a finished question was given."""
    records = [*journal.read(run_id)]
    said = next(json.loads(record.data or "{}") for record in reversed(records) if record.kind == "Ended")
    plan = Plan(Past.of(records).plan())
    return Answer(
        text=said["text"],
        plan=plan,
        results=told.outcomes,
        run_id=run_id,
        ending=said["ending"],
        evidence=evidence_of(plan, told.outcomes, tuple(said["evidence"])),
        replans=said["replans"],
        usage=Usage(**said["usage"]),
        timings=Timings(**said["timings"]),
        note=said["note"],
    )


def _today(info: RunInfo, setting: Setting, way: Way | MakePolicy) -> tuple[Plan | None, Toolset]:
    """The plan as today's program makes it, None for a question; and the tools, those behind a workflow's steps too.

    A workflow is taken as its file was then. What happened inside its `plan` and `run` steps stands in logs of their
    own; here each is one call with its result.
    """
    head = cast("Mapping[str, Any]", info.head)
    if info.kind == "ask":
        return None, setting.tools
    if info.kind != "workflow" or "workflow" not in head:
        return Plan.from_json(head["plan"]), setting.tools
    from agentrt.workflows import Workflow
    from agentrt.workflows.running import step_tools
    from agentrt.workflows.steps.stage import Stage

    workflow = Workflow.from_head(head["workflow"])
    steps = step_tools(workflow, Stage(setting, way), logged=True)
    return workflow.plan(head["inputs"]), Toolset([*setting.tools.values(), *steps])
