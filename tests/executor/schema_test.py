"""Schemas from elsewhere: what is no valid keyword is left out, and nothing that reads a tool breaks on it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Parameter, Signature, Tool, Toolset
from executor.schema import well_formed
from planner import PlannerError, read_plan
from planner.grammar import plan_grammar
from planner.prompt import describe

_KEYS = (
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "items", "properties", "required", "additionalProperties",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format", "$ref", "$defs",
    "description", "default", "examples", "patternProperties", "title",
)  # fmt: skip
_SMALL = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 30), st.sampled_from(["", "string", "1-100", "array", "object", "x("])
)
_ANYTHING = st.recursive(
    _SMALL,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*_KEYS, "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_SCHEMAS = st.dictionaries(st.sampled_from(_KEYS), _ANYTHING, max_size=5)
_PLANS = (
    '1. t("x")\n2. join()',
    "1. t(5)\n2. join()",
    '1. t([1, "x"])\n2. join()',
    '1. t({"a": 1})\n2. join()',
    "1. t(null)\n2. t($1.a)\n3. join()",
)


async def _nothing(**_: object) -> None: ...


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        ({"type": "string", "enum": "1-100"}, {"type": "string"}),
        ({"type": "integer", "required": True, "minimum": "1"}, {"type": "integer"}),
        ({"type": "array", "items": [{"type": "string"}]}, {"type": "array"}),
        (
            {"type": "object", "properties": {"a": "text", "b": {"enum": 3}}},
            {"type": "object", "properties": {"b": {}}},
        ),
        ({"anyOf": [{"type": 7}, {"type": "null"}]}, {"anyOf": [{}, {"type": "null"}]}),
        ({"type": "string", "maxLength": -1, "pattern": None, "x-own": 5}, {"type": "string", "x-own": 5}),
        (True, {}),
    ],
)
def test_keywords_of_the_wrong_kind_are_left_out(schema: Any, left: object) -> None:
    assert well_formed(schema) == left


def test_a_valid_schema_is_the_same_object() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "enum": ["x", None]}, "b": {"items": {"$ref": "#/$defs/n"}}},
        "required": ["a"],
        "additionalProperties": False,
        "$defs": {"n": {"type": "number", "minimum": 0.5}},
    }
    assert well_formed(schema) is schema


@settings(deadline=None, max_examples=150)
@given(schema=_SCHEMAS, returns=_SCHEMAS)
def test_no_schema_breaks_prompt_grammar_or_reader(schema: dict[str, Any], returns: dict[str, Any]) -> None:
    tool = Tool(
        name="t", function=_nothing, signature=Signature([Parameter("a", schema)]), returns=returns, effect="pure"
    )
    tools = Toolset([tool])
    assert describe(tool).startswith("- t(")
    assert tool.version
    for plan in _PLANS:
        reading = read_plan(plan, tools)
        assert reading.tasks or reading.problems
    try:
        assert plan_grammar(tools, lines=3).text
    except PlannerError as error:  # what no grammar can say, it says
        assert str(error)
