"""`plan`: the LLM planner, bounded, inside a fixed workflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentrt.durable import Tape, recorded
from agentrt.policies import policy_for
from agentrt.tools import tool
from agentrt.workflows.steps.stage import Stage
from executor import Effect, Tool, ToolContext, Toolset, as_text


def plan_tool(stage: Stage, name: str, *, effect: Effect) -> Tool:
    """The tool behind `plan` steps. `effect` is that of the worst tool it may call."""

    @tool(effect=effect, name=name)
    async def plan(
        question: Any,
        context: ToolContext,
        tools: list[str] | None = None,
        max_tasks: int = 16,
        max_replans: int = 1,
        max_tokens: int = 1_024,
    ) -> str:
        """Lets the language model plan tool calls, runs them, and gives the answer.

        Args:
            question: what it plans for.
            tools: names of the tools it may call; all where nothing is said.
            max_tasks: tasks one plan may have.
            max_replans: further plans after the first.
            max_tokens: tokens one plan's text may have.
        """
        chosen = [stage.tools.find(one, task=context.task) for one in tools] if tools else stage.tools.values()
        asked = as_text(question)
        head = {"question": asked, "workflow_step": context.task}
        with stage.within(context, kind="ask", title=asked, head=head) as inside:
            setting = replace(
                inside, tools=Toolset(chosen), max_tasks=max_tasks, max_replans=max_replans, max_plan_tokens=max_tokens
            )
            log, account = setting.means.log, setting.means.account
            if log is not None:
                setting = replace(setting, observe=Tape(log).before(setting.observe))
            if log is not None or account is not None:
                setting = replace(setting, model=recorded(setting.model, log, account))
            conclusion = await policy_for(stage.way, setting).answer(asked)
        stage.spend(conclusion.usage)
        return conclusion.text

    return plan
