"""Limits of a whole run: never passed, side by side, inside its steps, and over all processes that worked on it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentrt import Runtime, tool
from agentrt.workflows import Workflow, WorkflowResult
from executor import Budget, Tool
from executor.journal import MemoryJournal
from planner.testing import ScriptedChatModel

PLAN = '1. look("a")\n2. look("b")\n3. look("c")\n4. join()'
FINISH = json.dumps({"thought": "", "action": "finish", "tasks": [], "answer": "seen", "reason": ""})


def looking(made: list[str]) -> Tool:
    @tool(effect="pure", cache=False)
    async def look(at: str) -> str:
        """Looks at something."""
        made.append(at)
        await anyio.lowlevel.checkpoint()
        return f"saw {at}"

    return look


def workflow_of(limits: str, tasks: str, tools: list[Tool], **workflows: Workflow) -> Workflow:
    return Workflow.from_text(
        f"agentrt: 1\nname: t\nlimits: {limits}\ntasks:\n{tasks}", tools=tools, workflows=workflows
    )


async def ran(workflow: Workflow, tools: list[Tool], *replies: Any, **options: Any) -> WorkflowResult:
    async with Runtime(ScriptedChatModel(replies=[*replies]), tools, **options) as rt:
        with anyio.fail_after(20):
            return await rt.run(workflow)


@pytest.mark.asyncio
@pytest.mark.parametrize("most", [1, 7, 20])
async def test_calls_are_counted_under_a_wide_fan_out(most: int) -> None:
    made: list[str] = []
    tools = [looking(made)]
    items = json.dumps([str(number) for number in range(50)])
    tasks = f"  all: {{call: look, foreach: {{items: {items}, on_error: continue}}, with: {{at: '${{item}}'}}}}\n"
    result = await ran(workflow_of(f"{{calls: {most}}}", tasks, tools), tools)
    assert len(made) == most
    values: Any = result.to_json()["output"]
    assert sum(isinstance(value, str) for value in values) == most
    assert sum("calls is spent" in str(value) for value in values) == 50 - most


@pytest.mark.asyncio
async def test_calls_inside_steps_count_for_the_run_that_has_them() -> None:
    made: list[str] = []
    tools = [looking(made)]
    inner = Workflow.from_text(
        "agentrt: 1\nname: inner\ntasks:\n"
        "  x: {call: look, with: {at: x}}\n  y: {call: look, after: x, with: {at: y}}\n"
    )
    tasks = "  own: {call: look, with: {at: own}}\n  part: {run: inner, after: own}\n"
    # own, the step itself, and one call inside it
    result = await ran(workflow_of("{calls: 3}", tasks, tools, inner=inner), tools)
    assert made == ["own", "x"]
    assert "the budget of 3 calls is spent; look was not called" in result.failures["part"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("outer", "inner", "calls", "said"), [(9, 2, 2, "of 2 calls"), (3, 9, 2, "of 3 calls")])
async def test_a_nested_workflow_keeps_to_its_own_limits_and_to_those_around_it(
    outer: int, inner: int, calls: int, said: str
) -> None:
    made: list[str] = []
    tools = [looking(made)]
    nested = Workflow.from_text(
        f"agentrt: 1\nname: inner\nlimits: {{calls: {inner}}}\ntasks:\n"
        "  x: {call: look, with: {at: x}}\n  y: {call: look, after: x, with: {at: y}}\n"
        "  z: {call: look, after: y, with: {at: z}}\n"
    )
    workflow = workflow_of(f"{{calls: {outer}}}", "  part: {run: inner}\n", tools, inner=nested)
    for journal in (None, MemoryJournal()):
        made.clear()
        result = await ran(workflow, tools, journal=journal)
        assert made == ["x", "y"][:calls]
        assert said in result.failures["part"]


@pytest.mark.asyncio
async def test_tokens_bound_every_kind_of_step_that_asks() -> None:
    made: list[str] = []
    tools = [looking(made)]
    tasks = "  said: {ask: 'Say something.', limits: {tokens: 50}}\n  planned: {plan: 'What is there?', after: said}\n"
    model = ScriptedChatModel(replies=["something", PLAN, FINISH])
    async with Runtime(model, tools) as rt:
        result = await rt.run(workflow_of("{tokens: 300}", tasks, tools))
    assert len(model.prompts) == 1, "the planner's request had no room"
    assert "tokens is spent" in result.failures["planned"]
    assert result.usage.input_tokens + result.usage.output_tokens <= 300


@pytest.mark.asyncio
async def test_seconds_end_a_call_that_hangs_and_what_would_come_after_it() -> None:
    made: list[str] = []

    @tool(effect="pure")
    async def hang() -> str:
        """Never ends by itself."""
        await anyio.sleep_forever()
        return ""

    tools = [looking(made), hang]
    tasks = (
        "  h: {call: hang}\n  quick: {call: look, with: {at: here}}\n  later: {call: look, after: h, with: {at: z}}\n"
    )
    began = time.monotonic()
    result = await ran(workflow_of("{seconds: 0.2}", tasks, tools), tools)
    assert 0.2 <= time.monotonic() - began < 5
    assert made == ["here"]
    assert "the budget of 0.2 seconds is spent" in result.failures["h"]


@pytest.mark.asyncio
async def test_concurrency_is_never_passed() -> None:
    now = most = 0

    @tool(effect="pure", cache=False)
    async def busy(n: int) -> int:
        """Counts how many there are."""
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.001)
        now -= 1
        return n

    tasks = "  all: {call: busy, foreach: [1, 2, 3, 4, 5, 6, 7, 8, 9], with: {n: '${item}'}}\n"
    assert (await ran(workflow_of("{concurrency: 3}", tasks, [busy]), [busy])).ok
    assert most == 3


@pytest.mark.asyncio
async def test_the_runtimes_own_budget_comes_before_the_files() -> None:
    made: list[str] = []
    tools = [looking(made)]
    tasks = "  a: {call: look, with: {at: a}}\n  b: {call: look, after: a, with: {at: b}}\n"
    await ran(workflow_of("{calls: 2}", tasks, tools), tools, budget=Budget(calls=1))
    assert made == ["a"]


@pytest.mark.asyncio
async def test_what_was_spent_inside_a_step_is_remembered_by_whoever_goes_on() -> None:
    made: list[str] = []
    stuck = anyio.Event()
    hangs = True

    @tool(effect="pure", cache=False)
    async def look(at: str) -> str:
        """Looks at something."""
        made.append(at)
        if at == "b" and hangs:
            stuck.set()
            await anyio.sleep_forever()
        return f"saw {at}"

    plan = '1. look("a")\n2. look("b")\n3. join()'
    tasks = "  p: {plan: 'What is there?'}\n  z: {call: look, after: p, with: {at: z}}\n"
    workflow = workflow_of("{calls: 4}", tasks, [look])
    journal = MemoryJournal()
    async with (
        Runtime(ScriptedChatModel(replies=[plan]), [look], journal=journal) as rt,
        anyio.create_task_group() as group,
    ):
        group.start_soon(rt.run, workflow)
        await stuck.wait()
        group.cancel_scope.cancel()
    hangs = False
    run = next(info.id for info in journal.runs() if "workflow_step" not in info.head)
    async with Runtime(ScriptedChatModel(replies=[FINISH]), [look], journal=journal) as rt:
        with anyio.fail_after(10):
            result = await rt.resume(run)
    assert isinstance(result, WorkflowResult)
    # Before: the step, a, b. After: the step again; then nothing is left for b and z.
    assert made == ["a", "b"]
    assert "the budget of 4 calls is spent" in " ".join(result.failures.values())


def test_a_limit_that_means_nothing_is_refused_with_its_place(tmp_path: Path) -> None:
    from agentrt.workflows import InvalidWorkflow

    file = tmp_path / "w.yaml"
    file.write_text("agentrt: 1\nname: t\nlimits: {calls: 0, second: 3}\ntasks:\n  a: {ask: x}\n")
    with pytest.raises(InvalidWorkflow) as caught:
        Workflow.load(file)
    assert [(one.line, one.column) for one in caught.value.problems] == [(3, 17), (3, 20)]
    assert "did you mean seconds?" in caught.value.problems[1].hint
