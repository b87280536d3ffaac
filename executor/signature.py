"""A tool's parameters: binding written arguments to names and checking them against JSON Schema.

Plans are checked before they run, when some arguments are still references to results that do not exist
yet. A reference fits every schema here; the tool's own validator sees the real value at the call.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

from executor.refs import Ref, Text
from executor.schema import JsonSchema, well_formed

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str, Text),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (Mapping,),
    "null": (type(None),),
}
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named argument of a tool, with the JSON Schema of its value; see `well_formed`."""

    name: str
    schema: JsonSchema = field(default_factory=dict[str, Any])
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", well_formed(self.schema))


class Signature:
    """A tool's parameters in the order positional arguments are bound.

    Args:
        parameters: in order.
        definitions: the schema's `$defs`, which `$ref` inside parameter schemas points into.
        open: whether further keyword arguments are accepted.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] = (),
        *,
        definitions: JsonSchema | None = None,
        open: bool = False,
    ) -> None:
        self.parameters = tuple(parameters)
        self.definitions: JsonSchema = well_formed({"$defs": definitions or {}}).get("$defs", {})
        self.open = open
        self._by_name = {parameter.name: parameter for parameter in self.parameters}

    @classmethod
    def from_json_schema(cls, schema: JsonSchema) -> Signature:
        """Reads an object schema as tools publish it: `properties`, `required`, `$defs`."""
        schema = well_formed(schema)
        required = set(schema.get("required", ()))
        properties = cast(Mapping[str, JsonSchema], schema.get("properties", {}))
        return cls(
            (Parameter(name, part, name in required) for name, part in properties.items()),
            definitions=schema.get("$defs") or schema.get("definitions"),
            open=schema.get("additionalProperties") is True or (not properties and "properties" not in schema),
        )

    def to_json_schema(self) -> dict[str, Any]:
        """The object schema these parameters make."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {parameter.name: dict(parameter.schema) for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": self.open,
        }
        if self.definitions:
            schema["$defs"] = dict(self.definitions)
        return schema

    def bind(self, positional: Sequence[object], named: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
        """Gives each written argument its name; returns them with one sentence for each that does not fit."""
        bound: dict[str, object] = {}
        problems: list[str] = []
        if len(positional) > len(self.parameters):
            takes = ", ".join(parameter.name for parameter in self.parameters) or "no arguments"
            problems.append(f"{len(positional)} arguments given, but it takes {takes}")
        for parameter, value in zip(self.parameters, positional, strict=False):
            bound[parameter.name] = value
        for name, value in named.items():
            if name in bound:
                problems.append(f"argument {name!r} is given twice")
            bound[name] = value
        return bound, problems + self.check(bound)

    def check(self, arguments: Mapping[str, object]) -> list[str]:
        """One sentence for each named argument that is missing, unknown, or of the wrong kind."""
        problems: list[str] = []
        for name, value in arguments.items():
            parameter = self._by_name.get(name)
            if parameter is None:
                if not self.open:
                    problems.append(self._unknown(name))
                continue
            problems.extend(_mismatches(value, parameter.schema, name, self.definitions, 0))
        problems.extend(
            f"argument {parameter.name!r} is missing"
            for parameter in self.parameters
            if parameter.required and parameter.name not in arguments
        )
        return problems

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._by_name, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(self._by_name) or 'no arguments'}"
        return f"there is no argument {name!r}; {hint}"


def _mismatches(value: object, schema: object, where: str, definitions: JsonSchema, depth: int) -> list[str]:
    if isinstance(value, Ref) or not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return []
    rules = cast(JsonSchema, schema)
    if isinstance(name := rules.get("$ref"), str):
        return _mismatches(value, definitions.get(name.rsplit("/", 1)[-1]), where, definitions, depth + 1)
    for key in ("anyOf", "oneOf"):
        if options := cast(Sequence[object], rules.get(key, ())):
            tries = [_mismatches(value, option, where, definitions, depth + 1) for option in options]
            return [] if not all(tries) else min(tries, key=len)
    if "const" in rules and not isinstance(value, Text) and value != rules["const"]:
        return [f"{where} must be {rules['const']!r}, not {value!r}"]
    if "enum" in rules and not isinstance(value, Text) and value not in rules["enum"]:
        return [_not_in_enum(value, rules["enum"], where)]
    kinds = rules.get("type")
    if kinds is not None and not _is_kind(value, kinds):
        expected = kinds if isinstance(kinds, str) else " or ".join(cast(Sequence[str], kinds))
        return [f"{where} must be {_article(expected)}, not {value!r}"]
    return _inner_mismatches(value, rules, where, definitions, depth)


def _inner_mismatches(value: object, rules: JsonSchema, where: str, definitions: JsonSchema, depth: int) -> list[str]:
    problems: list[str] = []
    if isinstance(value, Mapping):
        mapping = cast(Mapping[str, object], value)
        properties = cast(JsonSchema, rules.get("properties", {}))
        problems += [f"{where}.{name} is missing" for name in rules.get("required", ()) if name not in mapping]
        for name, item in mapping.items():
            if name in properties:
                problems += _mismatches(item, properties[name], f"{where}.{name}", definitions, depth + 1)
            elif rules.get("additionalProperties") is False:
                problems.append(f"{where} has no field {name!r}; it takes {', '.join(properties)}")
            else:
                extra = rules.get("additionalProperties")
                problems += _mismatches(item, extra, f"{where}.{name}", definitions, depth + 1)
    elif isinstance(value, list | tuple):
        items = cast(Sequence[object], value)
        for index, item in enumerate(items):
            problems += _mismatches(item, rules.get("items"), f"{where}[{index}]", definitions, depth + 1)
        if len(items) < rules.get("minItems", 0) or len(items) > rules.get("maxItems", len(items)):
            problems.append(f"{where} has {len(items)} items; the tool takes another number of them")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
        if not low <= value <= high:
            problems.append(f"{where} must {_range(low, high)}, not {value!r}")
    elif isinstance(value, str) and (pattern := rules.get("pattern")) and not _matches(pattern, value):
        problems.append(f"{where} must match {pattern!r}, not {value!r}")
    return problems


def _is_kind(value: object, kinds: object) -> bool:
    names = [kinds] if isinstance(kinds, str) else cast(Sequence[str], kinds)
    if isinstance(value, bool):
        return "boolean" in names
    if isinstance(value, float) and value.is_integer() and "integer" in names:  # 2.0 is an integer to JSON Schema
        return True
    return any(isinstance(value, _TYPES.get(name, (object,))) for name in names)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # a pattern of another dialect: the tool's own validator decides
        return True


def _not_in_enum(value: object, options: Sequence[object], where: str) -> str:
    near = get_close_matches(str(value), [str(option) for option in options], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f", not {value!r}"
    return f"{where} must be one of {', '.join(repr(option) for option in options)}{hint}"


def _range(low: float, high: float) -> str:
    if high == math.inf:
        return f"be at least {low}"
    return f"be at most {high}" if low == -math.inf else f"lie between {low} and {high}"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
