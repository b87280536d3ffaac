"""JSON Schemas as tools from elsewhere publish them: what is no valid keyword is left out before anybody reads it.

`"enum": "1-100"` or `"required": true` beside a type say nothing by the standard. Taken as they are they would break
whoever iterates over them; dropped, the schema says less, and the tool's own validator has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

JsonSchema = Mapping[str, Any]

_DEPTH = 32


def well_formed(schema: object) -> JsonSchema:
    """The same schema where all its keywords are valid, else a copy without those that are not; of no schema, {}."""
    return cast(JsonSchema, _schema(cast(object, schema), 0)) if isinstance(schema, Mapping) else {}


def _schema(schema: object, depth: int) -> object:
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return cast(object, schema)
    rules = cast(Mapping[str, object], schema)
    kept: dict[str, object] = {}
    for key, value in rules.items():
        if key in _MAPS and isinstance(value, Mapping):
            kept[key] = _each(cast(Mapping[str, object], value), depth)
        elif key in _LISTS and _is_list(value, _is_schema):
            kept[key] = _all(cast(Sequence[object], value), depth)
        elif key in _INNER and _is_schema(value):
            kept[key] = _schema(value, depth + 1)
        elif key not in _KNOWN or _KNOWN[key](value):
            kept[key] = value
    return rules if len(kept) == len(rules) and all(kept[key] is rules[key] for key in kept) else kept


def _each(parts: Mapping[str, object], depth: int) -> Mapping[str, object]:
    kept = {name: _schema(part, depth + 1) for name, part in parts.items() if _is_schema(part)}
    return parts if len(kept) == len(parts) and all(kept[name] is parts[name] for name in kept) else kept


def _all(parts: Sequence[object], depth: int) -> Sequence[object]:
    kept = [_schema(part, depth + 1) for part in parts]
    return parts if all(new is old for new, old in zip(kept, parts, strict=True)) else kept


def _is_schema(value: object) -> bool:
    return isinstance(value, Mapping | bool)


def _is_list(value: object, of: Callable[[object], bool]) -> bool:
    if not isinstance(value, list | tuple):
        return False
    items = cast(Sequence[object], value)
    return len(items) > 0 and all(map(of, items))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _never(_: object) -> bool:
    return False


_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions"))
_LISTS = frozenset(("anyOf", "oneOf", "allOf"))
_INNER = frozenset(("items", "additionalProperties"))
_KNOWN: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys((*_MAPS, *_LISTS, *_INNER), _never),
    **dict.fromkeys(("$ref", "pattern", "format", "description", "title"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    "type": lambda value: _is_text(value) or _is_list(value, _is_text),
    "enum": lambda value: _is_list(value, lambda _: True),
    "examples": lambda value: isinstance(value, list | tuple),
    "required": lambda value: isinstance(value, list | tuple) and all(map(_is_text, cast(Sequence[object], value))),
}
"""What a keyword must be where it is no schema itself."""
