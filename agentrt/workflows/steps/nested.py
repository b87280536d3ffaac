"""`run`: a workflow inside another one. It is a tool whose parameters are the workflow's inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentrt.workflows.errors import NestedFailed
from agentrt.workflows.inputs import signature_of
from agentrt.workflows.steps.stage import Stage
from executor import Effect, Tool, ToolContext

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow


def nested_tool(stage: Stage, workflow: Workflow, name: str, *, effect: Effect) -> Tool:
    """The tool behind `run` steps of one workflow."""

    async def run(step_context_: ToolContext, **inputs: Any) -> Any:
        from agentrt.workflows.running import run_steps

        context = step_context_
        head = {"workflow_step": context.task}
        with stage.within(context, kind="workflow", title=workflow.name, head=head) as setting:
            inner = Stage(setting, stage.way)
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
