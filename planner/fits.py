"""What a tool's result can be given to: parts of results by the schema a tool declares, and whether they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from executor import JsonSchema

Fit = Literal["yes", "no", "unknown"]
"""`unknown`: one of the two does not say what it is."""

_DEPTH = 3


class Part(NamedTuple):
    """A part of a result: the way to it, and its schema with `$ref` followed. The empty way is the whole."""

    path: tuple[str | int, ...]
    schema: Mapping[str, Any]


def parts(returns: JsonSchema, *, depth: int = _DEPTH) -> Iterator[Part]:
    """The result as a whole and everything in it that can be named, down to `depth` steps; of lists the first item."""
    yield from _parts(returns, returns, (), depth)


def _parts(schema: object, root: JsonSchema, path: tuple[str | int, ...], depth: int) -> Iterator[Part]:
    rules = followed(schema, cast(JsonSchema, root.get("$defs", {})))
    yield Part(path, rules)
    if depth == 0:
        return
    for name, inner in cast(Mapping[str, object], rules.get("properties", {})).items():
        yield from _parts(inner, root, (*path, name), depth - 1)
    if rules.get("type") == "array" and isinstance(rules.get("items"), Mapping):
        yield from _parts(rules["items"], root, (*path, 0), depth - 1)


def followed(schema: object, definitions: JsonSchema) -> Mapping[str, Any]:
    """The schema that `$ref` points to, or the schema itself; an empty one where there is none."""
    for _ in range(8):
        if not isinstance(schema, Mapping):
            return {}
        rules = cast(Mapping[str, Any], schema)
        if not isinstance(name := rules.get("$ref"), str):
            return rules
        schema = definitions.get(name.rsplit("/", 1)[-1])
    return {}


def fit(
    given: object, wanted: object, *, given_in: JsonSchema | None = None, wanted_in: JsonSchema | None = None
) -> Fit:
    """Whether a value of schema `given` is one of schema `wanted`. Bounds and patterns are not compared.

    Args:
        given: schema of a result or of a part of it.
        wanted: schema of a parameter.
        given_in: definitions that `given` points into.
        wanted_in: definitions that `wanted` points into.
    """
    return _fit(given, wanted, given_in or {}, wanted_in or {}, 6)


def _fit(given: object, wanted: object, given_in: JsonSchema, wanted_in: JsonSchema, depth: int) -> Fit:
    has, takes = followed(given, given_in), followed(wanted, wanted_in)
    if depth < 0 or not has or not takes:
        return "unknown"
    if options := cast("Sequence[object]", has.get("anyOf") or has.get("oneOf")):
        return _weakest([_fit(option, takes, given_in, wanted_in, depth - 1) for option in options])
    if options := cast("Sequence[object]", takes.get("anyOf") or takes.get("oneOf")):
        return _strongest([_fit(has, option, given_in, wanted_in, depth - 1) for option in options])
    choices = _choices(takes)
    if choices is not None:
        offered = _choices(has)
        if offered is None:
            # A text may be one of the choices; that a number of lines is "celsius" it cannot.
            return "no" if not _kinds(has) & {type_of(choice) for choice in choices} else "unknown"
        among = [choice in choices for choice in offered]
        return "yes" if all(among) else "unknown" if any(among) else "no"
    kinds, known = _kinds(has), _kinds(takes)
    if not kinds or not known:
        return "unknown"
    if "number" in known:
        known = known | {"integer"}
    if not kinds & known:
        # A number may well be a whole one.
        return "unknown" if kinds == {"number"} and "integer" in known else "no"
    if not kinds <= known:
        return "unknown"
    if kinds == {"string"} and has.get("format") and takes.get("format"):
        return "yes" if has["format"] == takes["format"] else "no"
    if kinds == {"array"}:
        inner = _fit(has.get("items"), takes.get("items"), given_in, wanted_in, depth - 1)
        return "yes" if takes.get("items") is None else inner
    if kinds == {"object"} and takes.get("properties"):
        fields = cast(Mapping[str, object], has.get("properties", {}))
        needed = cast(Sequence[str], takes.get("required", ()))
        if any(name not in fields for name in needed):
            return "no"
        shared = [name for name in takes["properties"] if name in fields]
        return _weakest(
            [_fit(fields[name], takes["properties"][name], given_in, wanted_in, depth - 1) for name in shared]
        )
    return "yes"


def takes_text(schema: object, definitions: JsonSchema) -> bool:
    """Whether any text is a value of this schema. Whatever can be told as text can then be given, by intent."""
    rules = followed(schema, definitions)
    if options := cast("Sequence[object]", rules.get("anyOf") or rules.get("oneOf")):
        return any(takes_text(option, definitions) for option in options if option != schema)
    return "string" in _kinds(rules) and _choices(rules) is None


def type_of(value: object) -> str:
    """The JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"


def _choices(rules: Mapping[str, Any]) -> Sequence[object] | None:
    if "const" in rules:
        return [rules["const"]]
    return cast("Sequence[object] | None", rules.get("enum"))


def _kinds(rules: Mapping[str, Any]) -> set[str]:
    if (choices := _choices(rules)) is not None:
        return {type_of(choice) for choice in choices}
    kinds = rules.get("type")
    if kinds is None:
        return {"object"} if rules.get("properties") else set()
    return {kinds} if isinstance(kinds, str) else {*cast(Sequence[str], kinds)}


def _weakest(found: Sequence[Fit]) -> Fit:
    return "no" if "no" in found else "unknown" if "unknown" in found else "yes"


def _strongest(found: Sequence[Fit]) -> Fit:
    return "yes" if "yes" in found else "unknown" if "unknown" in found else "no"
