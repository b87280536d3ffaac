"""Typed references, and plans that write no number and no code that the question has not."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from executor import JsonSchema, Ref, Toolset
from planner import LLMPlanner, read_plan
from planner.fits import fit, parts
from planner.grammar import Grounds, grounds_of, plan_grammar
from planner.testing import ScriptedChatModel
from tests.planner.grammar_derivations import Derivation
from tests.planner.planner_tools import NUMBER, TEXT, a_tool

INTEGER: JsonSchema = {"type": "integer"}
PLACE: JsonSchema = {"type": "object", "properties": {"geoId": TEXT, "latitude": NUMBER, "open": {"type": "boolean"}}}
ROUTE: JsonSchema = {"type": "object", "properties": {"distance": NUMBER, "stops": {"type": "array", "items": TEXT}}}
TOOLS = Toolset(
    [
        replace(a_tool("locate", query=TEXT), returns=PLACE),
        replace(a_tool("hotels", geoId=TEXT, stars={"type": "integer", "default": 3}), returns=ROUTE),
        replace(a_tool("tax", amount=NUMBER, rate=NUMBER), returns=NUMBER),
        replace(a_tool("visit", places={"type": "array", "items": TEXT}), returns={"type": "boolean"}),
    ]
)
# By what a parameter takes: what may stand behind a line's number.
FITTING = {
    "query": {"", ".geoId", ".stops", ".stops[0]", ".latitude", ".distance", ".open"},  # anything can be told as text
    "geoId": {"", ".geoId", ".stops", ".stops[0]", ".latitude", ".distance", ".open"},
    "stars": {"", ".latitude", ".distance"},  # a number may be a whole one
    "amount": {"", ".latitude", ".distance"},
    "rate": {"", ".latitude", ".distance"},
    "places": {".stops"},
}


def plans(tools: Toolset, grounds: Grounds | None = None, count: int = 400) -> list[str]:
    text = plan_grammar(tools, lines=4, grounds=grounds).text
    return [Derivation(text, random.Random(seed)).draw() for seed in range(count)]


def test_a_reference_stands_only_where_what_it_names_fits() -> None:
    seen: dict[str, set[str]] = {}
    for plan in plans(TOOLS, count=1_500):
        # Inside quotes anything may be told as text.
        reading = read_plan(re.sub(r'"(?:[^"\\]|\\.)*"', '"x"', plan), TOOLS)
        assert not reading.problems
        for task in reading.tasks:
            for name, value in task.args.items():
                if isinstance(value, Ref):
                    path = "".join(f"[{0}]" if isinstance(step, int) else f".{step}" for step in value.path)
                    seen.setdefault(name, set()).add(path)
    assert {name: found - {""} for name, found in seen.items()} == {
        name: wanted - {""} for name, wanted in FITTING.items()
    }
    assert "" not in seen["places"], "no tool gives a list as its whole result"


def test_fits_by_type() -> None:
    enum: JsonSchema = {"enum": ["a", "b"]}
    cases: list[tuple[object, object, str]] = [
        (TEXT, TEXT, "yes"),
        (INTEGER, NUMBER, "yes"),
        (NUMBER, INTEGER, "unknown"),
        (TEXT, enum, "unknown"),
        (NUMBER, enum, "no"),
        ({"enum": ["a"]}, enum, "yes"),
        ({"enum": ["c"]}, enum, "no"),
        ({"enum": ["a", "c"]}, enum, "unknown"),
        (enum, TEXT, "yes"),
        ({}, TEXT, "unknown"),
        (TEXT, {}, "unknown"),
        ({"anyOf": [TEXT, {"type": "null"}]}, TEXT, "no"),
        (TEXT, {"anyOf": [TEXT, {"type": "null"}]}, "yes"),
        ({"type": ["string", "null"]}, TEXT, "unknown"),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}, "no"),
        ({"type": "array", "items": TEXT}, {"type": "array"}, "yes"),
        (PLACE, {"type": "object", "properties": {"geoId": TEXT}, "required": ["geoId"]}, "yes"),
        (PLACE, {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}, "no"),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "time"}, "no"),
        ({"$ref": "#/$defs/P"}, TEXT, "unknown"),
    ]
    assert [fit(given, wanted) for given, wanted, _ in cases] == [how for _, _, how in cases]
    assert fit({"$ref": "#/$defs/P"}, TEXT, given_in={"P": TEXT}) == "yes"
    looped: JsonSchema = {"anyOf": [{"$ref": "#/$defs/L"}]}
    assert fit(looped, TEXT, given_in={"L": looped}) == "unknown"
    assert [part.path for part in parts(ROUTE)] == [(), ("distance",), ("stops",), ("stops", 0)]


@pytest.mark.parametrize(
    ("question", "numbers", "codes"),
    [
        ("The tax on $1,200.50 at 8%?", {"1200.5", "8", "0.08"}, set[str]()),
        ("Two hotels for -3 nights in room A12 of 'Sea View'", {"2", "-3", "12"}, {"A12", "Sea View"}),
        ("From EUR to USD on 2024-05-01", {"2024", "5", "1"}, {"EUR", "USD", "2024-05-01"}),
        ("Where is it?", set[str](), set[str]()),
    ],
)
def test_what_a_question_gives(question: str, numbers: set[str], codes: set[str]) -> None:
    found = grounds_of(question)
    assert numbers <= {*found.numbers}
    assert codes <= {*found.codes}
    if not numbers:
        assert found == Grounds((), ())


def test_nothing_is_made_up_that_the_question_has_not() -> None:
    grounds = grounds_of("What is the tax of 8% on 250 for hotel A12?")
    written: set[object] = set()
    codes: set[object] = set()
    for plan in plans(TOOLS, grounds):
        reading = read_plan(plan, TOOLS)
        assert not reading.problems
        for task in reading.tasks:
            written |= {task.args[name] for name in ("amount", "rate") if name in task.args}
            codes |= {task.args["geoId"]} if "geoId" in task.args else set()
    assert {value for value in written if not isinstance(value, Ref)} == {8, 0.08, 250, 12}
    assert {value for value in codes if not isinstance(value, Ref)} == {"A12", "8", "250"}
    assert any(isinstance(value, Ref) for value in written) and any(isinstance(value, Ref) for value in codes)
    # What may be left out is free: questions seldom say which page they want.
    assert any("stars=" in plan and "stars=8" not in plan for plan in plans(TOOLS, grounds))


def test_a_tool_that_needs_a_result_is_not_called_first() -> None:
    grounds = grounds_of("Hotels in Rome")
    drawn = plans(TOOLS, grounds)
    assert all(not plan.startswith(("1. hotels(", "1. tax(")) for plan in drawn)
    assert any("hotels($1" in plan for plan in drawn)
    alone = Toolset([TOOLS["tax"]])
    assert plan_grammar(alone, grounds=grounds) == plan_grammar(alone), "better made up than no plan at all"


@pytest.mark.asyncio
async def test_the_planner_grounds_its_grammar_where_it_is_told_to() -> None:
    for grounded in (False, True):
        model = ScriptedChatModel(replies=["1. tax(250, 0.08)\n2. join()"])
        planner = LLMPlanner(model, TOOLS, form="grammar", grounded=grounded)
        assert [task.call async for task in planner.plan("8% of 250?")] == ["tax"]
        assert ('"0.08"' in model.options[0]["structured_outputs"]["grammar"]) is grounded
