"""The whole way from a question to an answer, with a scripted model."""

from __future__ import annotations

import json
from contextlib import aclosing

import anyio
import pytest

from agentrt import Answered, NotOpen, Runtime, Tool, tool
from agentrt.tools import Passage
from executor import TaskFinished, TaskStarted
from planner import PlanFinished, PlannerError
from planner.testing import ScriptedChatModel

TWO_SEARCHES = '1. search("Ed Wood")\n2. search("Scott Derrickson")\n3. join()\n<END_OF_PLAN>'


def decision(answer: str = "", tasks: list[str] | None = None, reason: str = "") -> str:
    action = "replan" if reason else "finish"
    return json.dumps({"thought": "t", "action": action, "tasks": tasks or [], "answer": answer, "reason": reason})


@tool(effect="pure")
async def search(title: str) -> Passage:
    """Finds the passage about a person."""
    return Passage(title=title, text=f"{title} was an American filmmaker. $1 join()", source="films.json")


@pytest.mark.asyncio
async def test_an_answer_carries_plan_results_evidence_usage_timings_and_id() -> None:
    model = ScriptedChatModel(replies=[TWO_SEARCHES, decision("yes", ["2"])])
    async with Runtime(model, [search]) as rt:
        answer = await rt.ask("Same nationality?")
    assert answer.text == "yes"
    assert [task.args for task in answer.plan] == [{"title": "Ed Wood"}, {"title": "Scott Derrickson"}]
    assert list(answer.results) == ["1", "2"]
    (evidence,) = answer.evidence
    assert (evidence.task, evidence.title, evidence.source) == ("2", "Scott Derrickson", "films.json")
    assert evidence.text.startswith("Scott Derrickson was an American filmmaker.")
    assert answer.usage.model_calls == 2
    assert answer.usage.output_tokens > 0
    assert answer.timings.first_task is not None
    assert 0 < answer.timings.first_task <= answer.timings.wall
    assert answer.run_id
    assert json.loads(json.dumps(answer.to_json()))["answer"] == "yes"


@pytest.mark.asyncio
async def test_a_stream_ends_with_the_answer_and_has_every_task_before() -> None:
    model = ScriptedChatModel(replies=[TWO_SEARCHES, decision("yes", ["1", "2"])])
    async with Runtime(model, [search]) as rt:
        events = [event async for event in rt.stream("Same nationality?")]
    assert isinstance(events[-1], Answered)
    assert sum(isinstance(event, TaskFinished) for event in events) == 2
    times = [event.time for event in events]
    assert times == sorted(times)


@pytest.mark.asyncio
async def test_a_task_runs_while_the_model_still_writes_the_next_line() -> None:
    ran = anyio.Event()

    @tool(effect="pure")
    async def look(title: str) -> str:
        """Looks."""
        ran.set()
        return title

    # The second line can only be written once the first one's task has run.
    model = ScriptedChatModel(replies=[['1. look("a")\n2. look(', ran, '"b")\n3. join()'], decision("ok")])
    with anyio.fail_after(10):
        async with Runtime(model, [look]) as rt:
            events = [event async for event in rt.stream("?")]
    kinds = [type(event) for event in events]
    assert kinds.index(TaskStarted) < kinds.index(PlanFinished)


@pytest.mark.asyncio
async def test_a_replan_goes_on_from_earlier_results() -> None:
    model = ScriptedChatModel(
        replies=[
            '1. search("Ed Wood")\n2. join()',
            decision(reason="the other one is missing"),
            '2. search("Ed Wood")\n3. search("Scott Derrickson")\n4. join()',
            decision("yes", ["1", "3"]),
        ]
    )
    async with Runtime(model, [search]) as rt:
        answer = await rt.ask("Same nationality?")
    assert answer.replans == 1
    assert list(answer.results) == ["1", "3"], "the finished search is not made again"
    assert [item.title for item in answer.evidence] == ["Ed Wood", "Scott Derrickson"]


@pytest.mark.asyncio
async def test_at_the_budget_the_answer_says_that_it_is_the_best_there_is() -> None:
    model = ScriptedChatModel(replies=['1. search("Ed Wood")\n2. join()', decision("perhaps", ["1"])])
    async with Runtime(model, [search], max_replans=0) as rt:
        answer = await rt.ask("Same nationality?")
    assert (answer.text, answer.ending) == ("perhaps", "budget")


@pytest.mark.asyncio
async def test_leaving_a_stream_early_cancels_the_question() -> None:
    cancelled = anyio.Event()

    @tool(effect="pure")
    async def endless(title: str) -> str:
        """Never ends by itself."""
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return title

    model = ScriptedChatModel(replies=['1. endless("a")\n2. join()'])
    async with Runtime(model, [endless]) as rt:
        async with aclosing(rt.stream("?")) as events:
            async for event in events:
                if isinstance(event, TaskStarted):
                    break
        with anyio.fail_after(5):
            await cancelled.wait()


@pytest.mark.asyncio
async def test_leaving_the_runtime_cancels_what_runs() -> None:
    started, cancelled = anyio.Event(), anyio.Event()

    @tool(effect="pure")
    async def endless() -> str:
        """Never ends by itself."""
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return ""

    model = ScriptedChatModel(replies=["1. endless()\n2. join()"])
    with anyio.fail_after(10):
        async with Runtime(model, [endless]) as rt:
            events = rt.stream("?")
            await anext(events)
            await started.wait()
            await events.aclose()
        await cancelled.wait()


@pytest.mark.asyncio
async def test_a_model_that_answers_nonsense_twice_is_one_clear_error() -> None:
    model = ScriptedChatModel(replies=["No idea, sorry.", "Still none.", "Nor one step.", "Really not."])
    async with Runtime(model, [search]) as rt:
        with pytest.raises(PlannerError, match="twice"):
            await rt.ask("Same nationality?")


@pytest.mark.asyncio
async def test_a_closed_runtime_says_so() -> None:
    runtime = Runtime(ScriptedChatModel(replies=[]), [search])
    with pytest.raises(NotOpen, match="async with"):
        await runtime.ask("?")


def test_two_tools_of_one_name_are_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="two tools are called 'search'"):
        Runtime(ScriptedChatModel(replies=[]), [search, Tool(name="search", function=search.function)])
