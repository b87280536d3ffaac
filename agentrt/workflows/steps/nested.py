"""`run`: a workflow inside another one. It is a tool whose parameters are the workflow's inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentrt.durable import spent_by
from agentrt.policies import Setting
from agentrt.workflows.errors import NestedFailed
from agentrt.workflows.inputs import signature_of
from agentrt.workflows.schema import Limits
from agentrt.workflows.steps.stage import Stage
from executor import Account, Effect, Tool, ToolContext

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow


def nested_tool(stage: Stage, workflow: Workflow, name: str, *, effect: Effect) -> Tool:
    """The tool behind `run` steps of one workflow."""

    async def run(step_context_: ToolContext, **inputs: Any) -> Any:
        from agentrt.workflows.running import run_steps

        context = step_context_
        head = {"workflow_step": context.task}
        with stage.within(context, kind="workflow", title=workflow.name, head=head) as setting:
            inner = Stage(_bounded(setting, workflow.limits), stage.way)
            try:
                result = await run_steps(workflow, inputs, inner)
            finally:
                stage.spend(inner.usage)
        if result.failures:
            raise NestedFailed(workflow.name, result.failures)
        return result.output

    return Tool(
        name=name,
        function=run,
        description=workflow.description or f"Runs the workflow {workflow.name}.",
        signature=signature_of(workflow.inputs),
        returns=workflow.output_type(stage.tools).schema or None,
        effect=effect,
        context="step_context_",
    )


def _bounded(setting: Setting, limits: Limits) -> Setting:
    """The setting of a nested workflow that has limits of its own: within those of the run around it."""
    budget = limits.budget()
    if budget is None:
        return setting
    means = setting.means
    spent = None if means.log is None else spent_by(means.log.journal, means.log.id)
    return replace(setting, means=replace(means, account=Account(budget, spent, within=means.account)))
