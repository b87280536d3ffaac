"""What running a step, or a whole workflow, again would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agentrt.workflows.schema import CallStep, PlanStep, RetrieveStep, RunStep
from agentrt.workflows.step import Step
from executor import Effect, Toolset

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow

_EFFECTS: tuple[Effect, ...] = ("pure", "idempotent", "once")
# What asking a model does: its reply may differ each time, so that it is never `pure`.
_MODEL: Effect = "idempotent"


def worst(effects: Iterable[Effect]) -> Effect:
    """What repeating all of several calls would do: as much as the most delicate of them."""
    return _EFFECTS[max(map(_EFFECTS.index, effects), default=0)]


def effect_of_step(workflow: Workflow, step: Step, tools: Toolset) -> Effect:
    """What a step's call says of itself."""
    match step.spec:
        case CallStep(call=name) | RetrieveStep(graph=name):
            return tools[name].effect if name in tools else "once"
        case PlanStep(tools=names):
            return worst([_MODEL, *[tools[name].effect for name in names or tools if name in tools]])
        case RunStep(run=name):
            return effect_of(workflow.nested[name], tools) if name in workflow.nested else "once"
        case _:
            return _MODEL


def effect_of(workflow: Workflow, tools: Toolset) -> Effect:
    """What running the workflow again would do: as much as the most delicate of its steps."""
    return worst([_MODEL, *[effect_of_step(workflow, step, tools) for step in workflow.steps.values()]])


def planned_effect(workflow: Workflow, tools: Toolset) -> Effect:
    """The worst of what the workflow's `plan` steps may call."""
    planned = [step for step in workflow.steps.values() if isinstance(step.spec, PlanStep)]
    return worst([_MODEL, *[effect_of_step(workflow, step, tools) for step in planned]])
