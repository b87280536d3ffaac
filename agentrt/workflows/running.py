"""Running a workflow: its plan, the tools behind its steps, and what it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from agentrt.answer import outcome_json
from agentrt.workflows.effects import effect_of, planned_effect
from agentrt.workflows.lower import STEP_TOOLS, nested_name
from agentrt.workflows.steps.ask import ask_tool
from agentrt.workflows.steps.converse import converse_tool
from agentrt.workflows.steps.nested import nested_tool
from agentrt.workflows.steps.plan import plan_tool
from agentrt.workflows.steps.stage import Stage
from agentrt.workflows.workflow import Workflow
from executor import Account, Budget, Failed, Outcome, Plan, Skipped, Tool, Toolset, plain
from executor.journal import RunLog, new_run_id
from planner import Usage


@dataclass(frozen=True, slots=True)
class WorkflowResult:
    """How a workflow's run ended.

    Attributes:
        output: what the workflow says it gives; parts that rest on steps without a value are null.
        plan: what was run.
        results: how each step ended, by name.
        run_id: names this run.
        usage: model tokens of all its steps.
        seconds: wall time.
    """

    output: object
    plan: Plan
    results: Mapping[str, Outcome]
    run_id: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    @property
    def failures(self) -> dict[str, str]:
        """Errors of the steps that failed and whose policy does not make the error their value."""
        steps = [(task.id, self.results.get(task.id)) for task in self.plan]
        return {name: str(one.error) for name, one in steps if isinstance(one, Failed) and not one.handled}

    @property
    def ok(self) -> bool:
        """Whether no step failed. Steps left out by `when` are no failures."""
        return not self.failures

    def to_json(self) -> dict[str, object]:
        """The result as plain JSON data."""
        return {
            "ok": self.ok,
            "output": plain(self.output),
            "failures": self.failures,
            "run_id": self.run_id,
            "plan": self.plan.to_json(),
            "results": {name: outcome_json(outcome) for name, outcome in self.results.items()},
            "usage": self.usage.to_json(),
            "seconds": self.seconds,
        }


class WorkflowEnded(NamedTuple):
    """The last event of a workflow's stream."""

    time: float
    result: WorkflowResult


def needs_model(workflow: Workflow) -> bool:
    """Whether any step, nested ones included, asks a language model."""
    asks = any(step.kind in STEP_TOOLS for step in workflow.steps.values())
    return asks or any(needs_model(nested) for nested in workflow.nested.values())


def step_tools(workflow: Workflow, stage: Stage, *, logged: bool) -> Iterator[Tool]:
    """The tools behind the steps of one workflow that are no calls of the caller's tools.

    What is inside a `plan` or `run` step has a log of its own where the run has one (`logged`). It knows what was
    done, so that the step itself may be begun again.
    """
    kinds = {step.kind for step in workflow.steps.values()}
    if "ask" in kinds:
        yield ask_tool(stage, STEP_TOOLS["ask"])
    if "plan" in kinds:
        effect = "idempotent" if logged else planned_effect(workflow, stage.tools)
        yield plan_tool(stage, STEP_TOOLS["plan"], effect=effect)
    if "converse" in kinds:
        yield converse_tool(stage, STEP_TOOLS["converse"])
    for name, nested in workflow.nested.items():
        effect = "idempotent" if logged else effect_of(nested, stage.tools)
        yield nested_tool(stage, nested, nested_name(name), effect=effect)


async def run_workflow(
    workflow: Workflow | str | Path,
    inputs: Mapping[str, object],
    stage: Stage,
    start: Callable[[str, Mapping[str, object], Budget | None], tuple[RunLog | None, Account | None]],
) -> WorkflowResult:
    """Checks a workflow, or reads it from a file, and runs it.

    Args:
        workflow: or where it lies.
        inputs: by name.
        stage: of a run that has no log yet.
        start: begins the run, given its title, what is kept to resume it, and what the workflow may spend.

    Raises:
        InvalidWorkflow: it cannot be run as written with these tools.
        InvalidInputs: the inputs do not fit.
        Parked: calls wait for a person's answer, and the run is written down.
    """
    workflow = _checked(workflow, stage.tools)
    given = workflow.complete(inputs)
    head = {"workflow": workflow.to_head(), "inputs": given, "plan": workflow.plan(given).to_json()}
    log, account = start(workflow.name, head, workflow.limits.budget())
    return await _logged(workflow, given, stage.started(log, account))


async def resume_workflow(stage: Stage, log: RunLog) -> WorkflowResult:
    """Goes on with the workflow that the stage's log is of: the file's text of then, the tools of today.

    Raises:
        InvalidWorkflow: the tools of today do not fit it any more.
        NotResumable, Parked: see `Runtime.resume`.
    """
    head = cast("Mapping[str, Any]", log.info.head)
    workflow = Workflow.from_head(head["workflow"])
    workflow.check(stage.tools)
    return await _logged(workflow, head["inputs"], stage)


async def _logged(workflow: Workflow, inputs: Mapping[str, object], stage: Stage) -> WorkflowResult:
    if stage.log is None:
        return await run_steps(workflow, inputs, stage)
    with stage.log.closing() as ended:
        result = await run_steps(workflow, inputs, stage)
        ended.update(usage=asdict(result.usage), seconds=result.seconds)
    return result


def _checked(workflow: Workflow | str | Path, tools: Toolset) -> Workflow:
    if not isinstance(workflow, Workflow):
        return Workflow.load(workflow, tools=tools)
    workflow.check(tools)
    return workflow


async def run_steps(workflow: Workflow, inputs: Mapping[str, object], stage: Stage) -> WorkflowResult:
    """Runs a workflow that was checked against `stage.tools`.

    Raises:
        InvalidInputs: the inputs do not fit.
        Parked: calls wait for a person's answer, and the run is written down.
    """
    plan = workflow.plan(inputs)
    limits = [limit for limit in (workflow.limits.concurrency, stage.setting.concurrency) if limit is not None]
    tools = Toolset([*stage.tools.values(), *step_tools(workflow, stage, logged=stage.log is not None)])
    executor = replace(stage.setting, concurrency=min(limits, default=None)).executor(tools)
    began = time.monotonic()
    results = await executor.run(plan)
    values = {name: one.value for name, one in results.items() if not isinstance(one, Skipped) and _has_value(one)}
    return WorkflowResult(
        output=workflow.output_of(inputs, values),
        plan=plan,
        results=results,
        run_id=new_run_id() if stage.log is None else stage.log.id,
        usage=stage.usage,
        seconds=time.monotonic() - began,
    )


def _has_value(outcome: Outcome) -> bool:
    return not isinstance(outcome, Skipped) and not (isinstance(outcome, Failed) and not outcome.handled)
