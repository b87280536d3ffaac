"""The language-model planner: streaming, correction, bounds, and what it tells its observer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from langchain_core.messages import BaseMessage

from executor import Executor, Finished, Parameter, Plan, Signature, Task, Tool, Toolset
from planner import (
    LLMPlanner,
    PlanFinished,
    PlannerError,
    PlannerEvent,
    PlanningFailed,
    PlanRejected,
    PlanStarted,
    PlanText,
    PlanTooLong,
    PlanWarning,
    Round,
    Usage,
)
from planner.testing import ScriptedChatModel
from tests.planner.planner_tools import TOOLS, a_tool


async def plan(model: ScriptedChatModel, question: str = "Why?", **options: Any) -> list[Task]:
    return [task async for task in LLMPlanner(model, TOOLS, **options).plan(question)]


def prompt(messages: list[BaseMessage]) -> str:
    return "\n".join(str(message.text) for message in messages)


@pytest.mark.asyncio
async def test_a_task_runs_before_the_next_line_is_written() -> None:
    started = anyio.Event()

    async def search(title: str) -> str:
        started.set()
        return title.upper()

    tools = Toolset([Tool(name="search", function=search, signature=Signature([Parameter("title")]))])
    # The model goes on only once the first task has started.
    model = ScriptedChatModel(replies=[['1. search("a"', ")", started, "\n2. search($1)\n3. join()"]])
    with anyio.fail_after(10):
        outcomes = await Executor(tools).run(LLMPlanner(model, tools).plan("?"))
    assert {name: outcome.value for name, outcome in outcomes.items() if isinstance(outcome, Finished)} == {
        "1": "A",
        "2": "A",
    }


@pytest.mark.asyncio
async def test_closing_the_stream_closes_the_models() -> None:
    model = ScriptedChatModel(replies=[['1. search("a")\n', anyio.Event(), "never"]])
    stream = LLMPlanner(model, TOOLS).plan("?")
    with anyio.fail_after(10):
        assert (await anext(stream)).id == "1"
        await stream.aclose()
        await stream.aclose()
        await anyio.wait_all_tasks_blocked()
    assert model.closed_early == 1
    assert stream.usage.model_calls == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("chunk", [1, 3, 1_000, None])
async def test_pieces_of_any_size_give_the_same_tasks(chunk: int | None) -> None:
    text = 'Thought: a\n1. search("a, \\"b\\"")\n2. pair("q", $1.x[0])\n3. join()\n<END_OF_PLAN>\n4. now()'
    events: list[PlannerEvent] = []
    tasks = await plan(ScriptedChatModel(replies=[text], chunk=chunk), observe=events.append)
    assert [task.id for task in tasks] == ["1", "2"]
    shown = "".join(event.text for event in events if isinstance(event, PlanText))
    assert shown == text.split("<END_OF_PLAN>")[0]
    assert [type(event) for event in events if not isinstance(event, PlanText)] == [PlanStarted, PlanFinished]


@pytest.mark.asyncio
async def test_a_plan_is_corrected_from_where_it_went_wrong() -> None:
    events: list[PlannerEvent] = []
    model = ScriptedChatModel(
        replies=['1. search("a")\n2. serch("b")\n3. now()\njoin()', '2. search("b")\n3. pair($1, $2)\n4. join()'],
        chunk=9,
    )
    stream = LLMPlanner(model, TOOLS, observe=events.append).plan("?")
    assert [(task.id, task.call) async for task in stream] == [("1", "search"), ("2", "search"), ("3", "pair")]
    first, second = model.prompts
    assert second[: len(first)] == first, "the prefix cache serves the correction"
    assert second[-2].text == '1. search("a")'
    correction = str(second[-1].text)
    assert "did you mean search?" in correction
    assert "Write line 2 again" in correction
    rejected = next(event for event in events if isinstance(event, PlanRejected))
    assert rejected.again
    assert "line 2, column 1" in rejected.problems[0]
    assert [event.attempt for event in events if isinstance(event, PlanStarted)] == [0, 1]
    finished = events[-1]
    assert isinstance(finished, PlanFinished)
    assert finished.tasks == 3
    assert finished.usage == stream.usage
    assert stream.usage.model_calls == 2


@pytest.mark.asyncio
async def test_the_model_is_stopped_at_the_first_problem() -> None:
    model = ScriptedChatModel(replies=[["1. serch(1)\n", anyio.Event()], "1. now()\n2. join()"])
    with anyio.fail_after(10):
        assert [task.id for task in await plan(model)] == ["1"]
    await anyio.wait_all_tasks_blocked()
    assert model.closed_early == 1


@pytest.mark.asyncio
async def test_what_follows_join_is_left_out_and_the_model_stopped() -> None:
    events: list[PlannerEvent] = []
    reply = ["1. now()\n2. join()", "\n```\n", "Question: and then?\n", "1. now()\n", anyio.Event()]
    with anyio.fail_after(10):
        assert [task.id for task in await plan(ScriptedChatModel(replies=[reply]), observe=events.append)] == ["1"]
    (warning,) = [event for event in events if isinstance(event, PlanWarning)]
    assert warning.message == "the text behind join() was left out"

    whole = ScriptedChatModel(replies=["1. now()\n2. join()\n3. now()"])
    assert [task.id for task in await plan(whole, observe=events.append)] == ["1"]
    assert len([event for event in events if isinstance(event, PlanWarning)]) == 2


@pytest.mark.asyncio
async def test_a_correction_may_repeat_what_stands() -> None:
    whole = '1. search("a")\n2. search("b")\n3. join()'
    model = ScriptedChatModel(replies=['1. search("a")\n2. serch("b")\n', whole])
    assert [task.id for task in await plan(model)] == ["1", "2"]


@pytest.mark.asyncio
async def test_a_reference_to_nothing_is_corrected_before_anything_depends_on_it() -> None:
    model = ScriptedChatModel(replies=["1. note($5)\n2. note($1)\n3. now()\n4. join()", "1. note($3)\n5. join()"])
    tasks = await plan(model)
    assert [task.id for task in tasks] == ["3", "1", "2"]
    assert "Write line 1 again" in prompt(model.prompts[1])


@pytest.mark.asyncio
@pytest.mark.parametrize("nonsense", ["I would search the web for it.", "1. serch('x')", "42", '1. search("'])
async def test_nonsense_twice_is_a_clear_error(nonsense: str) -> None:
    model = ScriptedChatModel(replies=[nonsense, nonsense])
    with pytest.raises(PlanningFailed, match="twice") as caught:
        await plan(model)
    assert caught.value.problems
    assert caught.value.text == nonsense
    assert len(model.prompts) == 2


@pytest.mark.asyncio
async def test_no_correction_if_none_is_wanted() -> None:
    with pytest.raises(PlanningFailed, match="once"):
        await plan(ScriptedChatModel(replies=["hm"]), corrections=0)


def endless() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"Thought: and again {number}\n"


@pytest.mark.asyncio
async def test_a_plan_that_never_ends_is_refused() -> None:
    model = ScriptedChatModel(replies=[endless()])
    with pytest.raises(PlanTooLong, match="within 200 tokens"):
        await plan(model, max_tokens=200)
    assert model.options[0]["max_tokens"] == 200
    assert len(model.prompts) == 1


@pytest.mark.asyncio
async def test_a_model_that_takes_no_limit_is_stopped_all_the_same() -> None:
    class Careless(ScriptedChatModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            kwargs.pop("max_tokens")
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk

    with pytest.raises(PlanTooLong):
        await plan(Careless(replies=[endless()]), max_tokens=50)


@pytest.mark.asyncio
async def test_too_many_tasks_are_refused() -> None:
    many = "".join(f"{number}. now()\n" for number in range(1, 50))
    with pytest.raises(PlanningFailed, match="more than 5 tasks"):
        await plan(ScriptedChatModel(replies=[many, many]), max_tasks=5)


@pytest.mark.asyncio
async def test_what_the_model_raises_passes_through() -> None:
    model = ScriptedChatModel(replies=[["1. now()\n", OSError("the server died")]])
    stream = LLMPlanner(model, TOOLS).plan("?")
    assert (await anext(stream)).id == "1"
    with pytest.raises(OSError, match="server died"):
        await anext(stream)


@pytest.mark.asyncio
async def test_warnings_are_events() -> None:
    events: list[PlannerEvent] = []
    await plan(ScriptedChatModel(replies=["1. search(Scott Derrickson)\n2. join()"]), observe=events.append)
    (warning,) = [event for event in events if isinstance(event, PlanWarning)]
    assert (warning.line, warning.column) == (1, 11)


@pytest.mark.asyncio
async def test_a_replan_goes_on_numbering_and_may_use_earlier_results() -> None:
    done = Round(Plan([Task("1", "search", {"title": "a"}), Task("2", "now")]), {"1": Finished("long " * 9_000, 0, 1)})
    model = ScriptedChatModel(replies=["3. note($1)\n4. join()"])
    stream = LLMPlanner(model, TOOLS, preview=500).plan("Why?", earlier=[done], reason="the year is missing")
    assert [(task.id, task.needs) async for task in stream] == [("3", ("1",))]
    system, asked = (str(message.text) for message in model.prompts[0])
    assert '1. search("a") -> long long' in asked
    assert "2. now() -> NOT RUN" in asked
    assert "the year is missing" in asked
    assert "numbered from 3" in asked
    assert len(asked) < 1_200, "results are previewed, not poured into the prompt"
    assert "long" not in system


@pytest.mark.asyncio
async def test_the_question_comes_last_and_the_rest_never_changes() -> None:
    model = ScriptedChatModel(replies=["1. now()\njoin()"] * 2)
    for question in ("First?", "Second?"):
        await plan(model, question)
    (one, first), (two, second) = model.prompts
    assert one == two
    assert str(first.text) == "Question: First?"
    assert str(second.text) == "Question: Second?"
    assert model.options[0] == {"max_tokens": 1_024}


@pytest.mark.asyncio
async def test_usage_is_what_the_model_says() -> None:
    model = ScriptedChatModel(replies=["1. now()\n2. join()"])
    stream = LLMPlanner(model, TOOLS).plan("?")
    assert [task.id async for task in stream] == ["1"]
    words = len(prompt(model.prompts[0]).split())
    assert stream.usage == Usage(words, 4, 0, 1)


def test_a_tool_may_not_be_called_join() -> None:
    with pytest.raises(PlannerError, match="join"):
        LLMPlanner(ScriptedChatModel(replies=[]), [a_tool("join")])
