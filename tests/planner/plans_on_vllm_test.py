"""The mechanics on a real model: a plan under a grammar streams and parses, a decision fits its schema.

Nothing here asks the 135M model to be right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agentrt.serving import ChatVLLM
from executor import Finished, Plan, Task
from planner import Finish, Joiner, LLMPlanner, PlannerEvent, PlanText, Round
from tests.planner.planner_tools import TOOLS

# Two calls, the second of which may use the first, then join().
_GRAMMAR = r"""
root ::= "1. search(" text ")\n2. " second "\n3. join()"
second ::= "search(" text ")" | "note($1)" | "calc(\"$1 + " digit "\")"
text ::= "\"" [A-Za-z ]{1,12} "\""
digit ::= [0-9]
"""


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
    options = {"structured_outputs": {"grammar": _GRAMMAR}}
    planner = LLMPlanner(model, TOOLS, max_tokens=80, options=options, observe=events.append)
    stream = planner.plan("Which film is longer, Heat or Ronin?")
    pieces: list[int] = []
    tasks: list[Task] = []
    async for task in stream:
        tasks.append(task)
        pieces.append(sum(isinstance(event, PlanText) for event in events))
    assert [task.id for task in tasks] == ["1", "2"]
    assert tasks[0].call == "search"
    assert pieces[0] < pieces[1], "the first task came before the second was written"
    assert stream.usage.model_calls == 1
    assert stream.usage.input_tokens > 100
    assert 0 < stream.usage.output_tokens <= 80


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
