"""Ways to answer: by a plan, one call at a time, with steps taken back, or by a policy of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from agentrt import Answered, Runtime, UsageError, tool
from agentrt.policies import Setting
from executor import TaskFinished, TaskStarted
from multiagent.trajectories import read_pairs
from planner import Conclusion, PlanningFailed, Replanned, TaskReused
from planner.events import CallSpeculated
from planner.testing import ScriptedChatModel

FINISH = json.dumps({"thought": "", "answer": "yes", "tasks": ["1"], "action": "finish", "reason": ""})


@tool(effect="pure")
async def search(title: str) -> str:
    """Finds a passage."""
    if title.startswith("bad"):
        raise OSError("no route")
    return f"about {title}"


@pytest.mark.asyncio
async def test_one_call_at_a_time() -> None:
    model = ScriptedChatModel(replies=['Thought: look\n1. search("Heat")', '2. finish("$1")'])
    async with Runtime(model, [search], plan="react") as rt:
        answer = await rt.ask("Which?")
    assert (answer.text, [piece.task for piece in answer.evidence]) == ("about Heat", ["1"])


@pytest.mark.asyncio
async def test_steps_taken_back_leave_pairs_that_the_trajectory_store_reads(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    for _ in range(2):
        model = ScriptedChatModel(replies=['1. search("bad")', '2. search("Heat")', '3. finish("yes")'])
        async with Runtime(model, [search], plan="dfsdt", pairs=pairs) as rt:
            assert (await rt.ask("Which?")).text == "yes"
    first, second = read_pairs(pairs, source="planner")
    assert first.chosen == second.chosen
    assert (first.chosen[0]["content"], first.rejected[0]["content"]) == ('2. search("Heat")', '1. search("bad")')


@pytest.mark.asyncio
async def test_without_a_plan_it_goes_step_by_step() -> None:
    model = ScriptedChatModel(replies=["No idea.", "None.", '1. search("Heat")', '2. finish("yes")'])
    async with Runtime(model, [search]) as rt:
        events = [event async for event in rt.stream("Which?")]
    assert isinstance(events[-1], Answered)
    assert events[-1].answer.text == "yes"
    assert ["one call at a time" in event.reason for event in events if isinstance(event, Replanned)] == [True]


@pytest.mark.asyncio
async def test_after_a_call_there_is_no_second_way() -> None:
    done = anyio.Event()

    @tool
    async def buy(item: str) -> str:
        """Buys a thing."""
        done.set()
        return "receipt"

    model = ScriptedChatModel(replies=[['1. buy("lamp")\n', done, "2. sell()\n"], "no", '1. buy("lamp")'])
    async with Runtime(model, [buy]) as rt:
        with pytest.raises(PlanningFailed, match="twice"):
            await rt.ask("?")
    assert len(model.prompts) == 2


@pytest.mark.asyncio
async def test_identical_calls_are_merged_by_default() -> None:
    model = ScriptedChatModel(replies=['1. search("Heat")\n2. search("Heat")\n3. join()', FINISH])
    async with Runtime(model, [search]) as rt:
        events = [event async for event in rt.stream("Which?")]
    assert sum(isinstance(event, TaskStarted) for event in events) == 1
    assert [event.earlier for event in events if isinstance(event, TaskReused)] == ["1"]


@pytest.mark.asyncio
async def test_a_speculative_tool_begins_early() -> None:
    begun = anyio.Event()

    @tool(effect="pure", speculative=True)
    async def look(title: str) -> str:
        """Looks."""
        begun.set()
        return title

    model = ScriptedChatModel(replies=[['1. look("Heat"', begun, ")\n2. join()"], FINISH])
    async with Runtime(model, [look]) as rt:
        with anyio.fail_after(10):
            events = [event async for event in rt.stream("Which?")]
    assert [event.stage for event in events if isinstance(event, CallSpeculated)] == ["begun", "used"]
    assert sum(isinstance(event, TaskFinished) for event in events) == 1


@pytest.mark.asyncio
async def test_a_policy_of_ones_own() -> None:
    class Oracle:
        def __init__(self, setting: Setting) -> None:
            self.tools = [*setting.tools]

        async def answer(self, question: str) -> Conclusion:
            return Conclusion(f"{question} {self.tools}")

    async with Runtime(ScriptedChatModel(replies=[]), [search], plan=Oracle) as rt:
        assert (await rt.ask("Which?")).text == "Which? ['search']"
    async with Runtime(ScriptedChatModel(replies=[]), [search], plan="guess") as rt:  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="no way 'guess' to answer; there are: compiler, react, dfsdt"):
            await rt.ask("Which?")
