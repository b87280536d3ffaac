"""Types of values that do not exist yet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.workflows.types import ANY, NoSuchPart, Type, either, kinds, mismatch, of_literal, part
from executor import Parameter, Signature

PERSON = Type(
    {"$ref": "#/$defs/Person"},
    {
        "Person": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "friends": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
            },
        }
    },
)


def test_paths_follow_references_lists_and_alternatives() -> None:
    assert kinds(part(PERSON, ["friends", 0, "friends", -1, "name"])) == {"string"}
    either_one = either(PERSON, Type({"type": "null"}))
    assert kinds(part(either_one, ["name"])) == {"string"}
    assert part(ANY, ["anything", 3]).schema == {}
    assert kinds(part(Type({"type": "object"}), ["x"])) is None
    assert kinds(part(Type({"type": "object", "additionalProperties": {"type": "integer"}}), ["x"])) == {"integer"}


@pytest.mark.parametrize(
    ("path", "says", "hint"),
    [
        (["nmae"], "no field 'nmae'", "did you mean name?"),
        (["friends", "name"], "is a list and has no field 'name'", "[0].name"),
        (["name", "x"], "is a text and has no part 'x'", ""),
        ([0], "no field 0", "there are: name, friends"),
    ],
)
def test_a_part_that_is_not_there_is_told_with_what_is(path: list[str | int], says: str, hint: str) -> None:
    with pytest.raises(NoSuchPart) as caught:
        part(PERSON, path)
    assert says in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("given_", "wanted", "fits"),
    [
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"type": "integer"}, {"type": "string"}, False),
        ({}, {"type": "string"}, True),
        ({"type": "string"}, {}, True),
        ({"type": ["string", "null"]}, {"type": "string"}, True),
        ({"type": "null"}, {"type": "string"}, False),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}, True),
        ({"enum": ["a"]}, {"enum": ["b"]}, False),
        ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}, False),
        ({"type": "array", "items": {}}, {"type": "array", "items": {"type": "integer"}}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object", "required": ["b"]}, False),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            False,
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "boolean"}, False),
    ],
)
def test_only_what_can_never_fit_is_refused(given_: dict[str, Any], wanted: dict[str, Any], fits: bool) -> None:
    assert (mismatch(Type(given_), Type(wanted)) == "") is fits


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
schemas = st.recursive(
    st.sampled_from([{"type": kind} for kind in ("string", "integer", "number", "boolean", "null", "array", "object")]),
    lambda inner: st.one_of(
        inner.map(lambda one: {"type": "array", "items": one}),
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(
            lambda fields: {"type": "object", "properties": fields, "required": [*fields]}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=5,
)


@given(values, schemas)
def test_a_value_that_fits_is_never_refused_by_its_type(value: object, schema: dict[str, Any]) -> None:
    if not Signature([Parameter("x", schema)]).check({"x": value}):
        assert mismatch(of_literal(value), Type(schema)) == ""
