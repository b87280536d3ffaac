"""Finished workflows that asked a model, planned and ran others: told again, and resumed, without a call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentrt import Runtime, tool
from agentrt.durable import Diverged
from agentrt.workflows import Workflow, WorkflowResult
from executor import Tool
from executor.journal import MemoryJournal
from planner.testing import ScriptedChatModel

INNER = """agentrt: 1
name: inner
inputs: {title: string}
tasks:
  look: {call: search, with: {title: '${inputs.title}'}}
"""
TEXT = """agentrt: 1
name: every kind
inputs: {a: string}
tasks:
  found: {call: search, with: {title: '${inputs.a}'}}
  same: {ask: 'Is ${found} a film?', schema: {type: object, properties: {film: {type: boolean}}}}
  more: {plan: 'About ${inputs.a}?', when: '${same.film} == true', tools: [search]}
  part: {run: inner.yaml, with: {title: '${inputs.a}'}}
  never: {call: search, when: '${same.film} == false', with: {title: x}}
output: {film: '${same.film}', more: '${more}', part: '${part}'}
"""
REPLIES = (
    '{"film": true}',
    '1. search("Heat")\n2. join()',
    json.dumps({"thought": "", "action": "finish", "tasks": ["1"], "answer": "a film", "reason": ""}),
)


def searching(made: list[str]) -> Tool:
    @tool(effect="pure")
    async def search(title: str) -> dict[str, str]:
        """Looks a title up."""
        made.append(title)
        return {"title": title}

    return search


def workflow_in(folder: Path, tools: list[Tool]) -> Workflow:
    (folder / "inner.yaml").write_text(INNER, encoding="utf-8")
    (folder / "outer.yaml").write_text(TEXT, encoding="utf-8")
    return Workflow.load(folder / "outer.yaml", tools=tools)


async def finished(folder: Path, journal: MemoryJournal, made: list[str]) -> tuple[list[Any], WorkflowResult]:
    """A finished run: its own events (not those inside a step) and its result."""
    tools = [searching(made)]
    async with Runtime(ScriptedChatModel(replies=[*REPLIES]), tools, journal=journal) as rt:
        events = [event async for event in rt.stream_run(workflow_in(folder, tools), a="Heat")]
    result = events[-1].result
    assert result.output == {"film": True, "more": "a film", "part": {"title": "Heat"}}, result.failures
    own = {task.id for task in result.plan}
    return [event for event in events[:-1] if names(event) & own], result


def names(event: Any) -> set[str]:
    return {event.task.id if hasattr(event, "task") else getattr(event, "id", "")}


@pytest.mark.asyncio
async def test_a_replay_tells_the_identical_events_and_calls_nothing(tmp_path: Path) -> None:
    made: list[str] = []
    journal = MemoryJournal()
    events, result = await finished(tmp_path, journal, made)
    calls = len(made)
    async with Runtime(None, [searching(made)], journal=journal) as rt:
        replayed = await rt.replay(result.run_id)
        again = await rt.resume(result.run_id)
    assert [*replayed.events] == events
    assert isinstance(again, WorkflowResult)
    assert again.output == result.output
    assert len(made) == calls


@pytest.mark.asyncio
async def test_a_replay_names_a_tool_that_changed_or_went(tmp_path: Path) -> None:
    journal = MemoryJournal()
    _, result = await finished(tmp_path, journal, [])

    @tool(effect="pure", name="search")
    async def other(title: str, limit: int = 3) -> Mapping[str, str]:
        """Looks a title up."""
        raise AssertionError("a replay calls nothing")

    for tools, trouble in (([other], "tool search"), ([], "no such tool")):
        async with Runtime(None, tools, journal=journal) as rt:
            with pytest.raises(Diverged, match=trouble):
                await rt.replay(result.run_id)


@pytest.mark.asyncio
async def test_a_run_broken_off_inside_a_plan_step_goes_on_inside_it() -> None:
    text = "agentrt: 1\nname: t\ntasks:\n  p: {plan: 'About Heat?', tools: [search]}\noutput: '${p}'\n"
    plan, joined = '1. search("Heat")\n2. search($1.title)\n3. join()', REPLIES[2]
    journal = MemoryJournal()
    made: list[str] = []
    hangs = True
    stuck = anyio.Event()

    @tool(effect="pure")
    async def search(title: str) -> dict[str, str]:
        """Looks a title up."""
        made.append(title)
        if hangs and len(made) == 2:
            stuck.set()
            await anyio.sleep_forever()
        return {"title": f"{title}!"}

    workflow = Workflow.from_text(text, tools=[search])
    async with (
        Runtime(ScriptedChatModel(replies=[plan]), [search], journal=journal) as rt,
        anyio.create_task_group() as group,
    ):
        group.start_soon(rt.run, workflow)
        await stuck.wait()
        group.cancel_scope.cancel()
    hangs = False
    run = next(info.id for info in journal.runs() if info.kind == "workflow")
    async with Runtime(ScriptedChatModel(replies=[joined]), [search], journal=journal) as rt:
        with anyio.fail_after(10):
            result = await rt.resume(run)
    assert isinstance(result, WorkflowResult)
    assert result.output == "a film"
    assert made == ["Heat", "Heat!", "Heat!"]
