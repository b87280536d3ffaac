"""A program that is killed inside a `plan` step of a workflow: `tests.faults.victim` with a scripted model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from typing import Any

import anyio
from langchain_core.messages import BaseMessage

from agentrt import Runtime, tool
from agentrt.workflows import Workflow, WorkflowResult
from executor import ToolContext
from executor.approval import Approval, Approvals, Verdict
from planner.testing import ScriptedChatModel
from tests.faults.victim import KillingJournal, Witness, main

WORKFLOW = """agentrt: 1
name: outer
tasks:
  before: {call: look, with: {at: start}}
  planned: {plan: 'What is there after ${before}?', tools: [look, send], limits: {replans: 0}}
  after: {call: look, with: {at: '${planned}'}}
output: ['${before}', '${planned}', '${after}']
"""
PLAN = '1. look("a")\n2. look("b")\n3. send($1, $2)\n4. look($3)\n5. join()'
OUTPUT = ["saw start", "the end", "saw the end"]
# Tasks of the steps and of the plan inside one, with how they are called here.
TASKS = {"before": "look", "1": "look", "2": "look", "3": "send", "4": "look", "after": "look"}


async def run(order: dict[str, Any]) -> None:
    """Runs the workflow, or goes on with it."""
    witness = Witness(order["witness"])
    journal = KillingJournal(order["journal"], order.get("point", ""), order.get("number", 0))

    def reply(messages: Sequence[BaseMessage]) -> list[str]:
        journal.maybe_die("before reply")
        witness.note("asked", "model", "-", "-")
        if "sent saw a" in " ".join(str(message.text) for message in messages):
            answer = {"thought": "", "action": "finish", "tasks": ["4"], "answer": "the end", "reason": ""}
            return [json.dumps(answer)]
        return [f"{line}\n" for line in PLAN.splitlines()]

    @tool(effect="pure", cache=False)
    async def look(at: str, context: ToolContext) -> str:
        """Looks at something."""
        witness.note("begin", "look", context.task, context.key)
        journal.maybe_die("inside a call")
        witness.note("end", "look", context.task, context.key)
        return f"saw {at}"

    @tool(effect="once", tainted="allow")
    async def send(one: str, two: str, context: ToolContext) -> str:
        """Sends both."""
        witness.note("begin", "send", context.task, context.key)
        journal.maybe_die("inside a call")
        witness.note("end", "send", context.task, context.key)
        return f"sent {one}, {two}"

    async def ask(approval: Approval) -> Verdict:
        """A person who looks whether it happened."""
        if approval.task in witness.ended():
            return Verdict("value", value="sent saw a, saw b")
        witness.note("allowed", "once", approval.task, "-")
        return Verdict("yes")

    tools = [look, send]
    model = ScriptedChatModel(replies=[reply] * 9)
    async with Runtime(model, tools, journal=journal, approvals=Approvals(ask)) as rt:
        started = [one.id for one in journal.runs() if "workflow_step" not in one.head]
        if started:
            result = await rt.resume(started[0])
        else:
            result = await rt.run(Workflow.from_text(WORKFLOW, tools=tools))
    assert isinstance(result, WorkflowResult)
    assert result.ok, result.failures
    journal.close()
    order["values"] = result.output


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:  # imports everything once, rather than in every child
        anyio.run(run, {"journal": f"{folder}/journal", "witness": f"{folder}/witness"})
    main(run)
