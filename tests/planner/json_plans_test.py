"""Plans in JSON: the same reader, the same tasks, at the brace that closes a call."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Ref, Task, Text, Toolset
from executor.refs import render_tree
from planner import PlanChecker, PlanReader, PlanSyntaxError
from planner.grammar import plan_schema
from tests.planner.plan_text_strategies import pieces, tasks
from tests.planner.planner_tools import TEXT, TOOLS, a_tool, read


def as_json(plan: list[Task]) -> str:
    return json.dumps({"calls": [{"tool": task.call, "args": render_tree(task.args)} for task in plan]})


def test_calls_become_tasks_with_references() -> None:
    reading = read(
        '{"thought": "both [of] them", "calls": [\n'
        ' {"tool": "search", "args": {"title": "A {\\"b\\"} [c]"}},\n'
        ' {"name": "note", "arguments": {"content": ["$1.x", "a $1 b", "$$5", 3]}},\n'
        ' {"tool": "now"}]} and some prose'
    )
    assert not reading.problems
    first, second, third = reading.tasks
    assert (first.id, first.args) == ("1", {"title": 'A {"b"} [c]'})
    assert second.args == {"content": [Ref("1", ("x",)), Text(("a ", Ref("1"), " b")), "$5", 3]}
    assert (third.id, third.call) == ("3", "now")


def test_a_task_comes_when_its_brace_closes() -> None:
    reader = PlanReader(PlanChecker(TOOLS), ends_at_join=True)
    assert reader.feed('```json\n[{"tool": "now", "args": {') == []
    assert [item.id for item in reader.feed("}}, ") if isinstance(item, Task)] == ["1"]
    assert not reader.joined
    reader.feed("]")
    assert reader.joined


@given(st.data())
def test_chunking_changes_nothing(data: st.DataObject) -> None:
    plan = [Task(str(at), "pair", task.args) for at, task in enumerate(data.draw(tasks()), 1)]
    # Ids are the positions here, so references must be to those.
    names = {"2": "1", "3": "2", "7": "3", "11": "4", "40": "5"}
    text = as_json(plan)
    for old, new in names.items():
        text = text.replace("${" + old, "${#" + new)
    text = text.replace("${#", "${")
    whole = read(text)
    reader = PlanReader(PlanChecker(TOOLS))
    items = [item for piece in data.draw(pieces(text)) for item in reader.feed(piece)] + reader.close()
    assert [item for item in items if isinstance(item, Task)] == list(whole.tasks)
    assert len(whole.tasks) + len(whole.problems) >= len(plan)


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('{"calls": [{"tool": "serch", "args": {}}]}', "did you mean search", 1, 12),
        ('{"calls": [\n  {"args": {}}]}', "no call", 2, 3),
        ('{"calls": [\n  {"tool": "now", "args": [1]}]}', "no call", 2, 3),
        ('{"calls": [{"tool": "now"', "never closed", 1, 12),
        ('{"calls": [{"tool": "now" "args"}]}', "no JSON", 1, 12),
        ('{"calls": ["now"]}', "no call", 1, 1),
        ('{"calls": "now"}', "no plan", 1, 1),
        ('{"calls": [}', "closes nothing", 1, 1),
        ('{"calls": [{"tool": "note", "args": {"content": "$7"}}]}', "no task defines", 1, 12),
    ],
)
def test_what_is_wrong_has_its_place(text: str, message: str, line: int, column: int) -> None:
    (problem,) = read(text).problems
    assert message in str(problem.error)
    assert (problem.place.line, problem.place.column) == (line, column)


def test_a_call_without_end_is_given_up() -> None:
    reader = PlanReader(PlanChecker(TOOLS), max_line=100)
    items = reader.feed('[{"tool": "' + "a" * 300)
    assert isinstance(items[0].error, PlanSyntaxError)  # type: ignore[union-attr]  # a problem
    assert reader.held < 200
    assert reader.ended


def test_prose_in_brackets_is_prose() -> None:
    assert [task.id for task in read('[I think]\n1. search("x")\n2. join()').tasks] == ["1"]
    assert [task.id for task in read('{so}\n1. search("x")\n2. join()').tasks] == ["1"]


def test_the_schema_takes_good_plans_and_refuses_others() -> None:
    tools = Toolset(
        [
            a_tool("search", title=TEXT, limit={"type": "integer", "minimum": 1, "default": 5}),
            a_tool("pick", unit={"enum": ["a", "b"]}, many={"type": "array", "items": {"type": "number"}}),
        ]
    )
    check = jsonschema.Draft202012Validator(plan_schema(tools, lines=3))
    jsonschema.Draft202012Validator.check_schema(plan_schema(tools))

    def calls(*found: object) -> dict[str, object]:
        return {"calls": list(found)}

    good = [
        calls({"tool": "search", "args": {"title": "x", "limit": "$1"}}),
        calls({"tool": "pick", "args": {"unit": "$1.unit", "many": [1, "$2[0]"]}}),
    ]
    bad = [
        calls(),
        calls({"tool": "serch", "args": {}}),
        calls({"tool": "search", "args": {}}),
        calls({"tool": "search", "args": {"title": "x", "limit": "five"}}),
        calls({"tool": "pick", "args": {"unit": "c", "many": []}}),
        calls(*[{"tool": "search", "args": {"title": "x"}}] * 4),
    ]
    assert all(check.is_valid(plan) for plan in good)
    assert not any(check.is_valid(plan) for plan in bad)
    assert plan_schema(Toolset())["properties"]["calls"]["maxItems"] == 0
