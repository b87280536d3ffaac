"""A model held to a form: what its requests carry, what a cut-off plan means, how it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executor import Finished, Plan, Task
from planner import LLMPlanner, PlanRejected, PlanTooLong, PlanWarning, Round
from planner.grammar import plan_grammar
from planner.testing import ScriptedChatModel
from tests.planner.planner_tools import TEXT, TOOLS, a_tool


async def written(planner: LLMPlanner, **asked: object) -> list[Task]:
    return [task async for task in planner.plan("Which?", **asked)]  # type: ignore[arg-type]  # what plan takes


@pytest.mark.asyncio
async def test_each_form_has_its_own_request() -> None:
    grammar = plan_grammar(TOOLS, lines=9).text
    plan = '1. search("Heat")\n2. join()'
    for form, key in (("grammar", "structured_outputs"), ("gbnf", "extra_body"), ("free", None)):
        model = ScriptedChatModel(replies=[plan])
        planner = LLMPlanner(model, TOOLS, form=form, max_tasks=9, options={"temperature": 0})
        assert [task.args for task in await written(planner)] == [{"title": "Heat"}]
        (options,) = model.options
        assert options["temperature"] == 0
        assert {name for name in options if name not in ("temperature", "max_tokens")} == ({key} if key else set())
        if key:
            assert options[key] == {"grammar": grammar}
    model = ScriptedChatModel(replies=['{"calls": [{"tool": "search", "args": {"title": "Heat"}}]}'])
    planner = LLMPlanner(model, TOOLS, form="json")
    assert [task.id for task in await written(planner)] == ["1"]
    schema = model.options[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["calls"]["items"]["anyOf"][0]["properties"]["tool"] == {"const": "search"}
    assert '"calls"' in str(model.prompts[0][0].text) and "numbered list" not in str(model.prompts[0][0].text)


@pytest.mark.asyncio
async def test_a_replan_may_refer_to_earlier_tasks_and_goes_on_behind_them() -> None:
    model = ScriptedChatModel(replies=["3. note($1)\n4. join()"])
    planner = LLMPlanner(model, TOOLS, form="grammar", max_tasks=4)
    done = Round(Plan([Task("1", "now"), Task("2", "now")]), {"1": Finished(1, 0, 1), "2": Finished(2, 0, 1)})
    assert [task.needs for task in await written(planner, earlier=[done], reason="more")] == [("1",)]
    expected = plan_grammar(TOOLS, lines=4, first=3, known=["1", "2"]).text
    assert model.options[0]["structured_outputs"] == {"grammar": expected}


@pytest.mark.asyncio
async def test_a_correction_goes_on_from_the_good_lines() -> None:
    tools = [a_tool("code", value={"type": "string", "pattern": "^[A-Z]+$"}), a_tool("search", title=TEXT)]
    model = ScriptedChatModel(replies=['1. search("x")\n2. code("no")\n3. join()', '2. code("YES")\n3. join()'])
    events: list[object] = []
    planner = LLMPlanner(model, tools, form="grammar", observe=events.append)
    assert [task.args for task in await written(planner)] == [{"title": "x"}, {"value": "YES"}]
    assert [event.again for event in events if isinstance(event, PlanRejected)] == [True]
    again = plan_grammar(planner.tools, lines=24, first=2, known=["1"]).text
    assert model.options[1]["structured_outputs"] == {"grammar": again}


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["grammar", "json"])
async def test_a_model_that_never_stops_is_cut_off_behind_its_last_whole_call(form: str) -> None:
    texts = {
        "grammar": ['1. search("Heat")\n2. search("', *["a "] * 30],
        "json": ['{"calls": [{"tool": "search", "args": {"title": "Heat"}}, {"tool": "sea', *["a "] * 30],
    }
    events: list[object] = []
    model = ScriptedChatModel(replies=[texts[form]])
    planner = LLMPlanner(model, TOOLS, form=form, max_tokens=10, observe=events.append)  # type: ignore[arg-type]
    assert [task.args for task in await written(planner)] == [{"title": "Heat"}]
    assert ["cut off" in event.message for event in events if isinstance(event, PlanWarning)] == [True]


@pytest.mark.asyncio
@pytest.mark.parametrize(("form", "start"), [("grammar", '1. search("'), ("json", '{"calls": [{"tool": "search", "')])
async def test_a_first_call_that_never_ends_is_told_to_the_model_once(form: Any, start: str) -> None:
    good = {
        "grammar": '1. search("Heat")\n2. join()',
        "json": '{"calls": [{"tool": "search", "args": {"title": "Heat"}}]}',
    }
    endless = [start, *["a "] * 30]
    model = ScriptedChatModel(replies=[endless, good[form]])
    assert [task.args for task in await written(LLMPlanner(model, TOOLS, form=form, max_tokens=10))] == [
        {"title": "Heat"}
    ]
    assert "did not end within 10 tokens" in str(model.prompts[1][-1].text)
    with pytest.raises(PlanTooLong):
        await written(LLMPlanner(ScriptedChatModel(replies=[endless, endless]), TOOLS, form=form, max_tokens=10))


@pytest.mark.asyncio
async def test_json_is_corrected_as_json() -> None:
    first = '{"calls": [{"tool": "now"}, {"tool": "search", "args": {"titel": "x"}}]}'
    second = '{"calls": [{"tool": "search", "args": {"title": "x"}}]}'
    model = ScriptedChatModel(replies=[first, second])
    tasks = await written(LLMPlanner(model, TOOLS, form="json"))
    assert [(task.id, task.call) for task in tasks] == [("1", "now"), ("2", "search")]
    assert json.loads(str(model.prompts[1][2].text)) == {"calls": [{"tool": "now", "args": {}}]}


@pytest.mark.asyncio
async def test_a_thought_comes_first_where_it_is_asked_for() -> None:
    model = ScriptedChatModel(replies=['Thought: one search will do\n1. search("Heat")\n2. join()'])
    planner = LLMPlanner(model, TOOLS, form="grammar", thought=True)
    (task,) = await written(planner)
    assert task.thought == "one search will do"
    assert 'root ::= "Thought: "' in model.options[0]["structured_outputs"]["grammar"]
    assert "Thought:" in planner.system
