"""Exercises for small planners: whatever the tools, every plan is sound and runs, and nothing held out is learnt."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import JsonSchema, Ref, Task, Tool, Toolset
from planner import PlannerError, read_plan
from planner.training import conversations, exercises, is_held_out, plan_score, simulated, verified
from planner.training.compose import composition, edges, terms
from tests.planner.grammar_derivations import parse_grammar
from tests.planner.planner_tools import NUMBER, TEXT, a_tool


def returning(tool: Tool, schema: JsonSchema) -> Tool:
    return replace(tool, returns=schema)


FILM: JsonSchema = {"type": "object", "properties": {"director": TEXT, "year": {"type": "integer"}}}
WEATHER: JsonSchema = {"type": "object", "properties": {"temperature": NUMBER, "sky": TEXT}}
TOOLS = Toolset(
    [
        returning(a_tool("get_film", title=TEXT), FILM),
        returning(a_tool("person", name=TEXT), {"type": "object", "properties": {"birthPlace": TEXT}}),
        returning(a_tool("weather", place=TEXT, unit={"enum": ["celsius", "kelvin"], "default": "celsius"}), WEATHER),
        returning(a_tool("distance", start=TEXT, end=TEXT), NUMBER),
        returning(a_tool("cast", film=TEXT), {"type": "array", "items": TEXT}),
        a_tool("now"),
    ]
)


def test_the_same_arguments_give_the_same_exercises() -> None:
    made = exercises(TOOLS, count=50, held_out=10)
    assert made == exercises(TOOLS, count=50, held_out=10)
    assert made.train != exercises(TOOLS, count=50, held_out=10, seed=1).train
    assert [len(part) for part in made] == [50, 10, 10]


def test_what_is_held_out_is_not_learnt() -> None:
    made = exercises(TOOLS, count=600, held_out=60)
    learnt = {item.composition for item in made.train}
    assert not any(is_held_out(name) for name in learnt)
    assert all(is_held_out(item.composition) for item in made.held_out_compositions)
    assert not learnt & {item.composition for item in made.held_out_compositions}
    assert not {item.wording for item in made.train} & {item.wording for item in made.held_out_wording}
    assert len({item.question for part in made for item in part}) == 720, "no question twice"
    assert {tool for name in learnt for tool in TOOLS if f"{tool}(" in name} == {*TOOLS}, "every tool is learnt"
    shapes = Counter(("<" in name, " + " in name) for name in learnt)
    assert len(shapes) == 3, "single calls, calls side by side, and calls that use others"
    assert any(name.count("(name=<") and "start=<" in name and "end=<" in name for name in learnt), (
        "joins of two chains"
    )


def test_questions_say_every_value_and_plans_are_as_the_grammar_has_them() -> None:
    for item in exercises(TOOLS, count=300, held_out=30).train:
        for task in read_plan(item.plan, TOOLS).tasks:
            for value in task.args.values():
                assert isinstance(value, Ref) or str(value) in item.question
        assert item.plan.split("\n")[-1].endswith(". join()")
        assert 'unit="' in item.plan or "celsius" not in item.plan, "what may be left out is named"


def test_the_whole_is_small_enough_for_a_grammar_that_takes_it() -> None:
    from planner.grammar import plan_grammar

    rules = parse_grammar(plan_grammar(TOOLS, lines=6).text)
    assert "root" in rules
    for item in exercises(TOOLS, count=40, held_out=5).train:
        assert _derives(rules, item.plan), item.plan


def _derives(rules: dict[str, Any], text: str) -> bool:
    """Whether a grammar of the common dialect has this text: all ends that each node can reach, without recursion."""

    def ends(node: Any, at: int) -> set[int]:
        kind, inner = node
        match kind:
            case "literal":
                return {at + len(inner)} if text.startswith(inner, at) else set()
            case "name":
                return ends(rules[inner], at)
            case "chars":
                return {at + 1} if at < len(text) and (text[at] in inner or text[at].isalnum()) else set()
            case "all":
                found = {at}
                for part in inner:
                    found = {end for start in found for end in ends(part, start)}
                return found
            case "any":
                return {end for part in inner for end in ends(part, at)}
            case _:
                low, high, part = inner
                found, reached = ({at} if low == 0 else set[int]()), {at}
                for count in range(1, max(high, 60) + 1):
                    reached = {end for start in reached for end in ends(part, start)} - found
                    if not reached:
                        break
                    if count >= low:
                        found |= reached
                return found

    return len(text) in ends(rules["root"], 0)


names = st.from_regex(r"[a-z]{2,6}(_[a-z]{2,5})?", fullmatch=True).filter(lambda name: name != "join")
scalars = st.sampled_from(
    [
        TEXT, NUMBER, {"type": "integer"}, {"type": "boolean"}, {"enum": ["red", "blue green", "$5"]},
        {"type": "integer", "minimum": 3, "maximum": 4}, {"type": "string", "format": "date"},
        {"type": "number", "minimum": 0.5}, {"const": "x"}, {"type": ["string", "null"]}, {},
        {"type": "string", "examples": ['a "quoted" $1 thing', "two\nlines"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "string", "maxLength": 4},
    ]
)  # fmt: skip
schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        inner.map(lambda item: {"type": "array", "items": item}),
        st.dictionaries(names, inner, min_size=1, max_size=3).map(
            lambda fields: {"type": "object", "properties": fields, "required": [*fields]}
        ),
    ),
    max_leaves=4,
)
awkward = st.sampled_from([{"type": "string", "pattern": "^x$"}, {"$ref": "#/$defs/Gone"}, {"allOf": [TEXT, TEXT]}])


@st.composite
def toolsets(draw: st.DrawFn) -> Toolset:
    found: dict[str, Tool] = {}
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        parameters = draw(st.dictionaries(names, st.one_of(schemas, awkward), max_size=3))
        optional = {
            key: {**schema, "default": None} if draw(st.booleans()) else schema for key, schema in parameters.items()
        }
        returns = draw(st.one_of(st.none(), schemas))
        found[name] = replace(a_tool(name, **optional), returns=returns)
    return Toolset(found.values())


@settings(max_examples=60, deadline=None)
@given(toolsets(), st.integers(0, 9))
def test_every_plan_over_any_tools_is_sound_and_runs(tools: Toolset, seed: int) -> None:
    try:
        made = exercises(tools, count=12, held_out=4, seed=seed)
    except PlannerError as error:
        assert "can be made" in str(error)
        return
    for part in made:
        for item in part:
            reading = read_plan(item.plan, tools)
            assert not reading.problems and not reading.warnings, (item.plan, reading.problems, reading.warnings)
            assert 1 <= len(reading.tasks) <= 5
            assert composition(reading.tasks) == item.composition
            assert item.question.strip() and "{" not in item.question.replace("{}", "")
            assert plan_score(reading.tasks, reading.tasks) == (1, 1, 1)
    kept = [anyio.run(verified, part, tools) for part in made]
    for before, after in zip(made, kept, strict=True):
        # What a result comes to is only known when the plan runs, and a bounded number may then be out of bounds.
        assert [item for item in before if item not in after and "<" not in item.composition] == []
    for chat in conversations(made.train, tools, turns=5):
        assert [message["role"] for message in chat][:3] == ["system", "user", "assistant"]
        assert len(chat) <= 11


@pytest.mark.asyncio
async def test_simulated_tools_check_what_they_are_given_and_answer_alike() -> None:
    tools = simulated(TOOLS)
    found = await tools["get_film"].function(title="Heat")
    assert found == await tools["get_film"].function(title="Heat") != await tools["get_film"].function(title="Alien")
    assert {*found} == {"director", "year"}
    with pytest.raises(ValueError, match="title must be a string"):
        await tools["get_film"].function(title=3)


def test_plans_are_compared_by_what_they_do() -> None:
    def score(ours: str, theirs: str) -> tuple[float, float, float]:
        return plan_score(read_plan(ours, TOOLS).tasks, read_plan(theirs, TOOLS).tasks)

    right = '1. get_film("Heat")\n2. person($1.director)\n3. now()\n4. join()'
    assert score('1. now()\n2. get_film("Heat")\n3. person($2.director)\n4. join()', right) == (1, 1, 1)
    assert score('1. get_film("Heat")\n2. person($1)\n3. now()\n4. join()', right) == (1, 0, 0)
    assert score('1. get_film("heat")\n2. person($1.director)\n3. now()\n4. join()', right) == (1, 0, 1)
    assert plan_score(None, read_plan(right, TOOLS).tasks) == (0, 0, 0)
    one = [Task("1", "a", {"x": [1, {"y": True}]}), Task("2", "b", {"z": Ref("1", ("k", 0))})]
    assert terms(one, literals=False) == Counter({"a()": 1, "b(z=<a().k.0>)": 1})
    assert edges(one) == Counter({"b z a.k.0": 1})


def test_tools_of_which_nothing_can_be_made_are_refused() -> None:
    with pytest.raises(PlannerError, match="examples"):
        exercises(Toolset([a_tool("odd", value={"type": "string", "pattern": "^x$"})]), count=3)
    with pytest.raises(PlannerError, match="more tools"):
        exercises(Toolset([a_tool("now")]), count=3)
