"""A function's type hints, read into the parameters of a tool and a validator for its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, NamedTuple, NotRequired, cast, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, SchemaError, to_jsonable_python
from typing_extensions import TypedDict

from agentrt.tools.docstrings import describe
from agentrt.tools.errors import ArgumentError, SignatureError
from executor import JsonSchema, Parameter, Signature, ToolContext

Validator = Callable[[Mapping[str, object]], dict[str, object]]


class Hints(NamedTuple):
    """What the type hints of a function say about it as a tool."""

    signature: Signature
    validate: Validator
    returns: JsonSchema | None
    context: str | None


class _Brief(GenerateJsonSchema):
    """Schemas for prompts: no titles that repeat names, and of a class's docstring its first paragraph."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        return _brief(super().dataclass_schema(schema))

    def model_schema(self, schema: Any) -> dict[str, Any]:
        return _brief(super().model_schema(schema))


def read_hints(function: Callable[..., object], name: str, texts: Mapping[str, str]) -> Hints:
    """Reads `function`'s parameters and return annotation.

    Args:
        function: any callable whose parameters can be passed by name.
        name: the tool's, for messages.
        texts: descriptions by parameter name; one in `Field(description=…)` wins.

    Raises:
        SignatureError: a parameter that cannot be passed by name, or a type that pydantic cannot read.
    """
    hints = _type_hints(function, name)
    parameters = _named_parameters(function, name)
    context = next((each for each in parameters if _is_context(hints.get(each))), None)
    taken = {each: parameter for each, parameter in parameters.items() if each != context}
    adapter = _adapter({each: hints.get(each, Any) for each in taken}, taken, name)
    schema = adapter.json_schema(schema_generator=_Brief)
    described = cast(dict[str, dict[str, Any]], schema.get("properties", {}))
    for each, part in described.items():
        if each in texts:
            part.setdefault("description", texts[each])
        _add_default(part, taken[each].default)
    signature = Signature(
        (Parameter(each, described[each], taken[each].default is inspect.Parameter.empty) for each in taken),
        definitions=schema.get("$defs"),
    )
    return Hints(signature, partial(_validated, adapter, name), _returns(hints.get("return", Any)), context)


def _brief(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(text := schema.get("description"), str):
        schema["description"] = describe(text).summary
    return schema


def _type_hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    target = function
    while isinstance(target, partial):
        target = target.func
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except Exception as error:  # evaluating an annotation may raise anything
        problem = f"its annotations cannot be read ({error}); the types must exist where the function is defined"
        raise SignatureError(name, problem) from error


def _named_parameters(function: Callable[..., object], name: str) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(function).parameters)
    for position, (each, parameter) in enumerate(parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise SignatureError(name, f"{stars}{each} has no schema; give each argument its own name, or take a list")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise SignatureError(name, f"parameter {each!r} is positional-only; plans pass arguments by name")
        if position == 0 and each in ("self", "cls") and parameter.annotation is parameter.empty:
            raise SignatureError(name, f"it takes {each!r}: make the bound method a tool, as in tool(instance.{name})")
    return parameters


def _adapter(
    hints: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter], name: str
) -> TypeAdapter[dict[str, object]]:
    # A TypedDict rather than a model: parameters may have any name (`json`, `copy`, `_x`), the result is
    # the dict to call with, and arguments that were left out stay out, so that the function's own
    # defaults apply, untouched by validation.
    members = {
        each: hint if parameters[each].default is inspect.Parameter.empty else NotRequired[hint]
        for each, hint in hints.items()
    }
    arguments: Any = TypedDict("arguments", members)  # pyright: ignore  # made from data, so no static form exists
    arguments.__pydantic_config__ = ConfigDict(extra="forbid")
    try:
        adapter: TypeAdapter[dict[str, object]] = TypeAdapter(arguments)
        adapter.json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError) as error:
        for each, hint in hints.items():
            if (problem := _unreadable(hint)) is not None:
                problem = f"parameter {each!r} has the type {hint!r}, which has no JSON form ({problem})"
                raise SignatureError(name, problem) from error
        raise SignatureError(name, str(error).splitlines()[0]) from error
    return adapter


def _unreadable(hint: Any) -> str | None:
    try:
        TypeAdapter(hint).json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError) as error:
        return str(error).splitlines()[0]
    return None


def _add_default(schema: dict[str, Any], default: object) -> None:
    if default is inspect.Parameter.empty:
        return
    try:
        schema.setdefault("default", to_jsonable_python(default))
    except PydanticSerializationError:  # a default without a JSON form: the function knows it, the model need not
        return


def _is_context(hint: object) -> bool:
    return hint is ToolContext or ToolContext in get_args(hint)


def _returns(hint: Any) -> JsonSchema | None:
    if hint is Any or hint is None or hint is type(None):
        return None
    try:
        return TypeAdapter(hint).json_schema(mode="serialization", schema_generator=_Brief)
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError):
        return None


def _validated(
    adapter: TypeAdapter[dict[str, object]], name: str, arguments: Mapping[str, object]
) -> dict[str, object]:
    try:
        return adapter.validator.validate_python(arguments)
    except ValidationError as error:
        problems = [_sentence(dict(detail)) for detail in error.errors(include_url=False)]
    raise ArgumentError(name, problems)


def _sentence(detail: Mapping[str, Any]) -> str:
    steps = detail["loc"]
    where = str(steps[0]) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps[1:])
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{where} is not an argument of it"
    message = str(detail["msg"])
    return f"{where}: {message[:1].lower()}{message[1:]}, not {_shown(detail['input'])}"


def _shown(value: object) -> str:
    if names := _field_names(value):
        listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"a {type(value).__name__}; refer to one of its fields: {listed}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _field_names(value: object) -> list[str]:
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    if isinstance(value, Mapping):
        return [str(key) for key in cast(Mapping[object, object], value)]
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return []
