from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentrt.tools import ArgumentError, FunctionTool, SignatureError, tool
from executor import Executor, Failed, Finished, Retry, Task, Tool, ToolContext


class Person(BaseModel):
    """Somebody.

    Everything below is for people, not for prompts.
    """

    name: str
    age: int = 30


@dataclass
class Place:
    city: str


@tool(effect="pure")
async def search(title: str, limit: Annotated[int, Field(ge=1, description="how many")] = 3) -> list[str]:
    """Finds pages
    by title.

    More than a model needs.

    Args:
        title: of the page,
            spelled as printed
        limit (int): overruled by the annotation

    Returns:
        titles: found.
    """
    return [title] * limit


def test_description_schema_and_defaults_come_from_the_function() -> None:
    assert isinstance(search, Tool)
    assert isinstance(search, FunctionTool)
    assert (search.name, search.description, search.effect) == ("search", "Finds pages by title.", "pure")
    assert search.signature.to_json_schema() == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "of the page, spelled as printed"},
            "limit": {"type": "integer", "minimum": 1, "default": 3, "description": "how many"},
        },
        "required": ["title"],
        "additionalProperties": False,
    }
    assert search.returns == {"type": "array", "items": {"type": "string"}}


@pytest.mark.asyncio
async def test_is_still_the_function() -> None:
    assert await search("Ed Wood", limit=2) == ["Ed Wood", "Ed Wood"]
    assert list(inspect.signature(search).parameters) == ["title", "limit"]


@pytest.mark.asyncio
async def test_runs_in_the_executor_with_validated_arguments() -> None:
    @tool(effect="pure")
    def older(person: Person, by: int = 1) -> int:
        return person.age + by

    outcomes = await Executor([older]).run(
        [
            Task("1", "older", {"person": {"name": "Ada", "age": "36"}}),
            Task("2", "older", {"person": {"age": 1}}),
        ]
    )
    first, second = outcomes["1"], outcomes["2"]
    assert isinstance(first, Finished)
    assert first.value == 37
    assert isinstance(second, Failed)
    assert isinstance(second.error.__cause__, ArgumentError)
    assert str(second.error).count("older") == 1
    assert "person.name is missing" in str(second.error)


@pytest.mark.asyncio
async def test_context_is_filled_in_and_hidden() -> None:
    @tool(effect="pure")
    async def who(context: ToolContext | None, text: str = "") -> str:
        assert context is not None
        return context.task + text

    assert [parameter.name for parameter in who.signature.parameters] == ["text"]
    outcome = (await Executor([who]).run([Task("7", "who", {"text": "!"})]))["7"]
    assert isinstance(outcome, Finished)
    assert outcome.value == "7!"


def test_without_brackets_the_effect_is_the_careful_one() -> None:
    @tool
    async def send(to: str) -> None: ...

    assert send.effect == "once"
    assert send.returns is None


def test_kinds_of_annotations() -> None:
    def kinds(
        json: Person,
        copy: Literal["a", "b"],
        model_config: Optional[str],  # noqa: UP045  # the older spelling is what is tested
        places: list[Place],
        anything,  # type: ignore[no-untyped-def]  # unannotated on purpose
        _x: dict[str, float] = {},  # noqa: B006  # a mutable default has a schema like any other
    ) -> Person: ...

    made = tool(effect="pure", name="kinds")(kinds)
    parts = made.signature.to_json_schema()
    assert parts["properties"]["json"] == {"$ref": "#/$defs/Person"}
    assert parts["properties"]["copy"] == {"enum": ["a", "b"], "type": "string"}
    assert parts["properties"]["model_config"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert parts["properties"]["places"] == {"type": "array", "items": {"$ref": "#/$defs/Place"}}
    assert parts["properties"]["anything"] == {}
    assert parts["properties"]["_x"]["default"] == {}
    assert parts["required"] == ["json", "copy", "model_config", "places", "anything"]
    assert parts["$defs"]["Person"]["description"] == "Somebody."
    checked = made.validate and made.validate(
        {"json": {"name": "A"}, "copy": "a", "model_config": None, "places": [{"city": "Rome"}], "anything": Place("x")}
    )
    assert checked == {
        "json": Person(name="A"),
        "copy": "a",
        "model_config": None,
        "places": [Place("Rome")],
        "anything": Place("x"),
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "title is missing"),
        ({"title": 3}, "title: input should be a valid string, not 3"),
        ({"title": Person(name="x")}, "not a Person; refer to one of its fields: name, age"),
        ({"title": Place("x")}, "not a Place; refer to one of its fields: city"),
        ({"title": {"text": 1}}, "not a dict; refer to one of its fields: text"),
        ({"title": "x", "limit": 0}, "limit: input should be greater than or equal to 1, not 0"),
        ({"title": "x", "titel": 0}, "titel is not an argument of it"),
        ({"title": ["y" * 500]}, "…"),
    ],
)
def test_errors_name_the_argument(arguments: dict[str, object], sentence: str) -> None:
    assert search.validate is not None
    with pytest.raises(ArgumentError) as caught:
        search.validate(arguments)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 250


class _Unknowable:
    def method(self, text: str) -> str:
        return text


def _star(*values: int) -> None: ...
def _stars(**values: int) -> None: ...
def _positional(value: int, /) -> None: ...
def _opaque(value: _Unknowable) -> None: ...
def _nowhere(value: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # what is tested
async def _yields() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (_star, r"\*values has no schema"),
        (_stars, r"\*\*values has no schema"),
        (_positional, "'value' is positional-only"),
        (_opaque, "parameter 'value' has the type .*_Unknowable.*no JSON form"),
        (_nowhere, "annotations cannot be read.*NoSuchType"),
        (_yields, "it yields"),
        (_Unknowable.method, r"tool\(instance.method\)"),
        (lambda: 1, "give name="),
        (_Unknowable, "takes a function, not type"),
        (search, "takes a function, not FunctionTool"),
        (3, "takes a function, not int"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, problem: str) -> None:
    with pytest.raises(SignatureError, match=problem):
        tool(function)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"retry": Retry()}, "must not run twice"),
        ({"effect": "sometimes"}, "effect must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"name": "two words"}, "its name is not one a plan can write"),
    ],
)
def test_settings_that_contradict(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SignatureError, match=problem):
        tool(**settings)(lambda: 1 if "name" in settings else 2) if "name" in settings else tool(**settings)(_fine)


def _fine(x: str) -> str:
    return x


def test_bound_methods_partials_and_callable_objects() -> None:
    class Adder:
        def __call__(self, a: int, b: int = 2) -> int:
            return a + b

    bound = tool(_Unknowable().method)
    assert [parameter.name for parameter in bound.signature.parameters] == ["text"]
    assert [p.name for p in tool(name="add")(Adder()).signature.parameters] == ["a", "b"]
    halved = tool(name="half")(partial(Adder(), b=1))
    assert [(p.name, p.required) for p in halved.signature.parameters] == [("a", True), ("b", False)]
    assert halved(3) == 4


_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list[int]": list[int], "str | None": str | None}
_NAMES = st.text("abcdefgh_", min_size=1, max_size=6).filter(str.isidentifier)


@given(st.dictionaries(_NAMES, st.sampled_from(list(_TYPES)), max_size=6), st.data())
def test_any_signature_is_read_back_from_its_schema(hints: dict[str, str], data: st.DataObject) -> None:
    optional = {name for name in hints if data.draw(st.booleans())}
    ordered = sorted(hints, key=lambda name: name in optional)

    def function(**values: object) -> dict[str, object]:
        return values

    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # how a signature is made up
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None if name in optional else inspect.Parameter.empty
            )
            for name in ordered
        ]
    )
    function.__annotations__ = {name: _TYPES[kind] for name, kind in hints.items()}
    made = tool(effect="pure", name="made")(function)
    assert [(p.name, p.required) for p in made.signature.parameters] == [(n, n not in optional) for n in ordered]
    samples = {"str": "x", "int": 1, "float": 1.5, "bool": True, "list[int]": [1], "str | None": None}
    arguments = {name: samples[hints[name]] for name in ordered if name not in optional or data.draw(st.booleans())}
    assert made.signature.check(arguments) == []
    assert made.validate is not None
    assert made.validate(arguments) == arguments
    for name in set(ordered) - optional:
        missing = {each: value for each, value in arguments.items() if each != name}
        assert made.signature.check(missing)
        with pytest.raises(ArgumentError, match=name):
            made.validate(missing)
