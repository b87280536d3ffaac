"""What is known about a value before it exists: JSON Schemas walked by references and held against each other.

A check that cannot be sure says nothing: a value of unknown type fits everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from agentrt.workflows.errors import nearest
from executor import JsonSchema

Step = str | int
_MAX_DEPTH = 32
_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Type:
    """A JSON Schema and the definitions its `$ref` point into. Without any rule it is a value of any kind."""

    schema: JsonSchema = field(default_factory=dict[str, Any])
    definitions: JsonSchema = field(default_factory=dict[str, Any])

    @classmethod
    def of_schema(cls, schema: JsonSchema | None) -> Type:
        """The type a complete schema describes, its own `$defs` with it; None for any value."""
        if schema is None:
            return ANY
        return cls(schema, schema.get("$defs") or schema.get("definitions") or {})


ANY = Type()
TEXT = Type({"type": "string"})
ERROR = Type({"type": "object", "properties": {"error": {"type": "string"}, "type": {"type": "string"}}})
"""What a failed step's value is under `on_error: continue`."""


class NoSuchPart(LookupError):
    """A path that values of a type do not have. `hint` says which they have."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def either(*types: Type) -> Type:
    """A value of one of `types`."""
    if any(not one.schema for one in types):
        return ANY
    return Type({"anyOf": [_inlined(one) for one in types]})


def list_of(item: Type) -> Type:
    """A list of values of one type."""
    return Type({"type": "array", "items": item.schema}, item.definitions)


def part(of: Type, path: Sequence[Step]) -> Type:
    """The type of the part of a value that `path` names.

    Raises:
        NoSuchPart: no value of the type has it.
    """
    for step in path:
        options = list(_options(of))
        found: list[Type] = []
        trouble: NoSuchPart | None = None
        for option in options:
            try:
                found.append(_step(option, step))
            except NoSuchPart as problem:
                # Of several options the one with named fields has the most to say.
                if trouble is None or (problem.hint and not trouble.hint):
                    trouble = problem
        if not found:
            raise trouble or NoSuchPart(f"there is no {step!r}")
        of = found[0] if len(found) == 1 else either(*found)
    return of


def kinds(of: Type) -> frozenset[str] | None:
    """The JSON types a value may have; None where nothing is known."""
    found: set[str] = set()
    for option in _options(of):
        declared = option.schema.get("type")
        if isinstance(declared, str):
            found.add(declared)
        elif isinstance(declared, Sequence):
            found.update(cast(Sequence[str], declared))
        elif "const" in option.schema:
            found.add(kind_of(option.schema["const"]))
        elif "enum" in option.schema:
            found.update(kind_of(value) for value in option.schema["enum"])
        elif "properties" in option.schema:
            found.add("object")
        else:
            return None
    return frozenset(found)


def kind_of(value: object) -> str:
    """The JSON type of a literal."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def of_literal(value: object) -> Type:
    """The type of a literal."""
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, object], value)
        return Type({"type": "object", "properties": {name: of_literal(item).schema for name, item in fields.items()}})
    if isinstance(value, list | tuple):
        items = [of_literal(item) for item in cast(Sequence[object], value)]
        return list_of(either(*items)) if items else Type({"type": "array"})
    return Type({"type": kind_of(value)})


def describe(of: Type) -> str:
    """A type in words."""
    known = kinds(of)
    if known is None:
        return "a value of any kind"
    return " or ".join(_NAMES.get(kind, kind) for kind in sorted(known))


def mismatch(given: Type, wanted: Type, depth: int = 0) -> str:
    """Why no value of type `given` can be one of type `wanted`; empty when one may be."""
    have, want = kinds(given), kinds(wanted)
    if have is None or want is None or depth > _MAX_DEPTH:
        return ""
    common = {kind for kind in have if kind in want or (kind == "integer" and "number" in want)}
    common |= {"number"} if "number" in have and "integer" in want else set()
    if not common:
        return f"it is {describe(given)}, where {describe(wanted)} is taken"
    if len(common) > 1:
        return ""
    pairs = [(mine, theirs) for mine in _of_kind(given, common) for theirs in _of_kind(wanted, common)]
    troubles = [_inner_mismatch(mine, theirs, depth) for mine, theirs in pairs]
    return "" if not troubles or not all(troubles) else troubles[0]


def _inner_mismatch(given: Type, wanted: Type, depth: int) -> str:
    if (
        (have := given.schema.get("enum"))
        and (want := wanted.schema.get("enum"))
        and not any(value in want for value in have)
    ):
        return f"it is one of {', '.join(map(repr, have))}, where one of {', '.join(map(repr, want))} is taken"
    if "items" in given.schema and "items" in wanted.schema:
        items = mismatch(_at(given, given.schema["items"]), _at(wanted, wanted.schema["items"]), depth + 1)
        return f"its items do not fit: {items}" if items else ""
    fields: Mapping[str, Any] = given.schema.get("properties", {})
    if not fields:
        return ""
    for name in wanted.schema.get("required", ()):
        if name not in fields and not given.schema.get("additionalProperties"):
            return f"it has no field {name!r}, which is needed"
    for name, theirs in cast(Mapping[str, Any], wanted.schema.get("properties", {})).items():
        if name in fields and (trouble := mismatch(_at(given, fields[name]), _at(wanted, theirs), depth + 1)):
            return f"its field {name!r} does not fit: {trouble}"
    return ""


def _of_kind(of: Type, wanted: set[str]) -> list[Type]:
    return [option for option in _options(of) if (kinds(option) or wanted) & (wanted | {"integer", "number"})]


def _step(of: Type, step: Step) -> Type:
    rules = of.schema
    known = kinds(of)
    if known is None:
        return ANY
    if isinstance(step, int) and "array" in known:
        places = rules.get("prefixItems", ())
        return _at(of, places[step] if 0 <= step < len(places) else rules.get("items", {}))
    if "object" in known:
        fields: Mapping[str, Any] = rules.get("properties", {})
        if str(step) in fields:
            return _at(of, fields[str(step)])
        extra = rules.get("additionalProperties", not fields)
        if extra is not False:
            return _at(of, cast(object, extra))
        raise NoSuchPart(f"it has no field {step!r}", nearest(str(step), list(fields)))
    if "array" in known:
        raise NoSuchPart(f"it is a list and has no field {step!r}", f"take an item first, as in [0].{step}")
    if known == frozenset({"null"}):
        raise NoSuchPart(f"it is null and has no {step!r}")
    raise NoSuchPart(f"it is {describe(of)} and has no part {step!r}", "")


def _options(of: Type, depth: int = 0) -> Iterator[Type]:
    """The types that are left when references and alternatives are followed."""
    rules = of.schema
    if depth > _MAX_DEPTH:
        yield ANY
    elif isinstance(name := rules.get("$ref"), str):
        yield from _options(_at(of, of.definitions.get(name.rsplit("/", 1)[-1], {})), depth + 1)
    elif alternatives := rules.get("anyOf") or rules.get("oneOf"):
        for option in cast(Sequence[JsonSchema], alternatives):
            yield from _options(_at(of, option), depth + 1)
    else:
        yield of


def _at(of: Type, schema: object) -> Type:
    """A part of the schema; `true` and whatever else is no mapping stand for any value."""
    return Type(cast(JsonSchema, schema), of.definitions) if isinstance(schema, Mapping) else Type({}, of.definitions)


def _inlined(of: Type) -> dict[str, Any]:
    """The schema with its definitions put in place, so that schemas of different origin can stand side by side."""

    def put(schema: object, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return {}
        if isinstance(schema, list):
            return [put(item, depth + 1) for item in cast(list[object], schema)]
        if not isinstance(schema, Mapping):
            return schema
        rules = cast(Mapping[str, Any], schema)
        if isinstance(name := rules.get("$ref"), str):
            return put(of.definitions.get(name.rsplit("/", 1)[-1], {}), depth + 1)
        return {key: put(value, depth + 1) for key, value in rules.items() if key not in ("$defs", "definitions")}

    return cast(dict[str, Any], put(of.schema, 0))
