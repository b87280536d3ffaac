"""The mechanics on a real model: a plan under a grammar streams and parses, a decision fits its schema.

Nothing here asks the 135M model to be right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agentrt.serving import ChatVLLM
from executor import CycleError, Finished, Plan, Task, Toolset, UnknownReference
from planner import (
    Finish,
    Joiner,
    LLMPlanner,
    PlannerEvent,
    PlanningFailed,
    PlanRejected,
    PlanText,
    PlanWarning,
    Round,
)
from tests.planner.planner_tools import TOOLS


@pytest_asyncio.fixture
async def model(smollm: ChatVLLM) -> AsyncIterator[ChatVLLM]:
    longer = smollm.model_copy(update={"max_tokens": 400})
    yield longer
    await longer.aclose()


@pytest.mark.vllm
@pytest.mark.asyncio
@pytest.mark.timeout(600)
async def test_a_plan_under_a_grammar_streams(model: ChatVLLM) -> None:
    events: list[PlannerEvent] = []
    tools = Toolset(TOOLS[name] for name in ("search", "weather", "geo.find-place"))
    planner = LLMPlanner(model, tools, max_tasks=4, form="grammar", observe=events.append)
    stream = planner.plan("Which film is longer, Heat or Ronin?")
    pieces: list[int] = []
    tasks: list[Task] = []
    async for task in stream:
        tasks.append(task)
        pieces.append(sum(isinstance(event, PlanText) for event in events))
    assert [task.id for task in tasks] == [str(at) for at in range(1, len(tasks) + 1)]
    assert 1 <= len(tasks) <= 4
    assert pieces == sorted(pieces)
    assert pieces[0] < sum(isinstance(event, PlanText) for event in events), "the first task came before the plan ended"
    assert not [event for event in events if isinstance(event, PlanRejected | PlanWarning)]
    assert stream.usage.model_calls == 1, "there was nothing to correct"


@pytest.mark.vllm
@pytest.mark.asyncio
@pytest.mark.timeout(600)
async def test_a_plan_under_a_schema_streams(model: ChatVLLM) -> None:
    events: list[PlannerEvent] = []
    planner = LLMPlanner(model, TOOLS, max_tasks=3, form="json", corrections=0, observe=events.append)
    stream = planner.plan("What is the weather in Rome?")
    try:
        assert [task.id async for task in stream]
    except PlanningFailed as failed:  # what no schema can say: a reference to no call
        assert all(isinstance(problem.error, UnknownReference | CycleError) for problem in failed.problems)
    assert stream.text.startswith("{")
    assert not [event for event in events if isinstance(event, PlanWarning)]


@pytest.mark.vllm
@pytest.mark.asyncio
@pytest.mark.timeout(600)
async def test_a_decision_fits_its_schema(model: ChatVLLM) -> None:
    plan = Plan([Task("1", "search", {"title": "Heat"}), Task("2", "search", {"title": "Ronin"})])
    done = Round(plan, {"1": Finished("Heat runs 170 minutes.", 0, 1), "2": Finished("Ronin runs 122.", 0, 1)})
    decision, usage = await Joiner(model, TOOLS).join("Which is longer?", [done], final=True)
    assert isinstance(decision, Finish)
    assert decision.answer
    assert set(decision.tasks) <= {"1", "2"}
    assert usage.model_calls >= 1
    assert usage.output_tokens > 0
