"""Binding and checking arguments before a plan runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from executor import Parameter, Ref, Signature, Text

SEARCH = Signature([Parameter("query", {"type": "string"}), Parameter("limit", {"type": "integer"}, required=False)])


@pytest.mark.parametrize(
    ("positional", "named", "bound"),
    [
        (["x"], {}, {"query": "x"}),
        (["x", 3], {}, {"query": "x", "limit": 3}),
        (["x"], {"limit": 3}, {"query": "x", "limit": 3}),
        ([], {"limit": 3, "query": Ref("1")}, {"limit": 3, "query": Ref("1")}),
        ([Text(("a ", Ref("1")))], {"limit": Ref("2")}, {"query": Text(("a ", Ref("1"))), "limit": Ref("2")}),
    ],
)
def test_arguments_get_their_names(
    positional: list[object], named: dict[str, object], bound: dict[str, object]
) -> None:
    assert SEARCH.bind(positional, named) == (bound, [])


@pytest.mark.parametrize(
    ("positional", "named", "problem"),
    [
        ([], {}, "argument 'query' is missing"),
        (["x", 1, 2], {}, "3 arguments given, but it takes query, limit"),
        (["x"], {"query": "y"}, "argument 'query' is given twice"),
        (["x"], {"limits": 3}, "there is no argument 'limits'; did you mean 'limit'?"),
        (["x"], {"zzz": 3}, "there is no argument 'zzz'; it takes query, limit"),
        ([5], {}, "query must be a string, not 5"),
        (["x", "many"], {}, "limit must be an integer, not 'many'"),
        (["x", True], {}, "limit must be an integer, not True"),
        (["x", 2.5], {}, "limit must be an integer, not 2.5"),
        (["x", Text(("1", Ref("1")))], {}, "limit must be an integer"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    positional: list[object], named: dict[str, object], problem: str
) -> None:
    _, problems = SEARCH.bind(positional, named)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("schema", "good", "bad", "problem"),
    [
        ({"type": "integer"}, 2.0, 2.1, "x must be an integer"),
        ({"type": ["string", "null"]}, None, 1, "x must be a string or null"),
        ({"enum": ["asc", "desc"]}, "asc", "dsc", "did you mean 'desc'?"),
        ({"const": 3}, 3, 4, "x must be 3"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 4, None, "x must be a"),
        ({"type": "array", "items": {"type": "number"}}, [1, 2.5], [1, "a"], "x[1] must be a number"),
        ({"type": "array", "minItems": 1}, [1], [], "x has 0 items"),
        ({"type": "array", "maxItems": 1}, [1], [1, 2], "x has 2 items"),
        ({"minimum": 1, "maximum": 3}, 3, 4, "x must lie between 1 and 3"),
        ({"minimum": 1}, 10**400, float("nan"), "x must be at least 1, not nan"),
        ({"type": "string", "pattern": "^a"}, "ab", "b", "x must match '^a'"),
        (
            {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]},
            {"k": "v", "more": 1},
            {},
            "x.k is missing",
        ),
        (
            {"type": "object", "properties": {"k": {}}, "additionalProperties": False},
            {"k": 1},
            {"q": 1},
            "no field 'q'",
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"k": "v"}, {"k": 1}, "x.k must be a string"),
        ({"$ref": "#/$defs/Name"}, "ok", 1, "x must be a string"),
        ({"type": "object", "properties": {"k": {"$ref": "#/$defs/Name"}}}, {"k": Ref("1")}, {"k": 1}, "x.k must be"),
    ],
)
def test_schemas_decide(schema: dict[str, Any], good: object, bad: object, problem: str) -> None:
    signature = Signature([Parameter("x", schema)], definitions={"Name": {"type": "string"}})
    assert signature.check({"x": good}) == []
    assert problem in "; ".join(signature.check({"x": bad}))


@pytest.mark.parametrize("schema", [{"pattern": "(?<bad"}, {"type": "unheard-of"}, {"$ref": "#/$defs/Gone"}, {}])
def test_what_a_schema_says_in_another_dialect_is_left_to_the_tool(schema: dict[str, Any]) -> None:
    assert Signature([Parameter("x", schema)]).check({"x": "anything"}) == []


def test_a_schema_that_contains_itself_ends() -> None:
    definitions = {"Tree": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]}}
    assert Signature([Parameter("x", {"$ref": "#/$defs/Tree"})], definitions=definitions).check({"x": None}) == []


def test_an_open_signature_takes_more() -> None:
    assert Signature([Parameter("x")], open=True).check({"x": 1, "y": 2}) == []


class Inner(BaseModel):
    count: int
    tags: list[str] = []


class Arguments(BaseModel):
    name: str
    ratio: float = 1.0
    inner: Inner | None = None


def test_a_signature_survives_its_json_schema() -> None:
    read = Signature.from_json_schema(Arguments.model_json_schema())
    assert [(p.name, p.required) for p in read.parameters] == [("name", True), ("ratio", False), ("inner", False)]
    assert Signature.from_json_schema(read.to_json_schema()).to_json_schema() == read.to_json_schema()
    assert read.check({"name": "x", "inner": {"count": "one"}}) != []


def test_a_schema_without_properties_is_open_and_one_with_none_takes_nothing() -> None:
    assert Signature.from_json_schema({"type": "object"}).open
    assert not Signature.from_json_schema({"type": "object", "properties": {}}).open


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["count", "tags", "z"]), inner),
)


@given(st.dictionaries(st.sampled_from(["name", "ratio", "inner", "other"]), json_values))
def test_what_pydantic_takes_strictly_the_check_takes_too(arguments: dict[str, object]) -> None:
    signature = Signature.from_json_schema(TypeAdapter(Arguments).json_schema())
    problems = signature.check({name: value for name, value in arguments.items() if name != "other"})
    try:
        Arguments.model_validate(arguments, strict=True)
    except ValidationError:
        return
    assert problems == []
