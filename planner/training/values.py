"""Values made up for parameters and results: what a schema allows, by chance."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from executor import JsonSchema
from planner.choose import words
from planner.fits import followed, type_of

_DEPTH = 4
_ONSETS = ("B", "Br", "C", "D", "F", "Gr", "H", "K", "L", "M", "N", "P", "R", "S", "St", "T", "V", "W")
_MIDDLES = ("a", "ai", "e", "ea", "i", "o", "oa", "u")
_ENDS = ("ck", "dle", "l", "lden", "lo", "m", "n", "nd", "nia", "r", "rden", "rro", "s", "ston", "t", "vel")
_SECOND = (
    "Bay", "Bridge", "Castle", "Field", "Garden", "Harbour", "Hill", "House", "Lake", "Light", "Mill", "Moor",
    "North", "Park", "Point", "River", "Road", "Square", "Street", "Tower", "Valley", "West", "Winter", "Wood",
)  # fmt: skip
_MOST_ITEMS = 3


def made_up(schema: object, name: str, definitions: JsonSchema, chance: random.Random) -> object:
    """A value of this schema.

    Texts come from the schema's `examples` or `enum` where it has some; else they are invented names, so that a model
    learns to copy what it reads, and not which names there are.

    Args:
        schema: of a parameter or a result.
        name: what the value is called; a `year` is a year.
        definitions: what `$ref` points into.
        chance: decides.

    Raises:
        ValueError: there is no such value, or none can be found (`pattern`, `not`).
    """
    return _made_up(schema, name, definitions, chance, _DEPTH)


def _made_up(schema: object, name: str, definitions: JsonSchema, chance: random.Random, depth: int) -> object:
    rules = followed(schema, definitions)
    if depth < 0:
        raise ValueError(f"{name} is nested too deep to make up")
    if "const" in rules:
        return rules["const"]
    for key in ("enum", "examples"):
        if choices := cast("Sequence[object]", rules.get(key)):
            return chance.choice(choices)
    if options := cast("Sequence[object]", rules.get("anyOf") or rules.get("oneOf")):
        some = [option for option in options if followed(option, definitions).get("type") != "null"]
        return _made_up(chance.choice(some or options), name, definitions, chance, depth - 1)
    if "pattern" in rules or "not" in rules or "allOf" in rules:
        raise ValueError(f"{name}: values of this schema cannot be made up; give it examples")
    kinds = rules.get("type") or ("object" if rules.get("properties") else "string")
    kind = kinds if isinstance(kinds, str) else chance.choice(cast(Sequence[str], kinds))
    match kind:
        case "integer" | "number":
            return _number(rules, kind, name, chance)
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
        case "array":
            return _list(rules, name, definitions, chance, depth)
        case "object":
            fields = cast(Mapping[str, object], rules.get("properties", {}))
            return {key: _made_up(part, key, definitions, chance, depth - 1) for key, part in fields.items()}
        case _:
            return _text(rules, name, chance)


def _list(
    rules: Mapping[str, Any], name: str, definitions: JsonSchema, chance: random.Random, depth: int
) -> list[object]:
    least = max(1, int(rules.get("minItems", 1)))
    most = max(least, min(least + _MOST_ITEMS - 1, int(rules.get("maxItems", least + _MOST_ITEMS - 1))))
    items = rules.get("items")
    return [_made_up(items, name, definitions, chance, depth - 1) for _ in range(chance.randint(least, most))]


def _number(rules: Mapping[str, Any], kind: str, name: str, chance: random.Random) -> float:
    low, high = float(rules.get("minimum", -math.inf)), float(rules.get("maximum", math.inf))
    if math.isinf(low) and math.isinf(high):
        low, high = (1900, 2030) if "year" in words(name) else (1, 100)
    elif math.isinf(low):
        low = min(high, 0.0) - 50
    elif math.isinf(high):
        high = low + 100
    if kind == "integer":
        first, last = math.ceil(low), math.floor(high)
        if first > last:
            raise ValueError(f"{name}: there is no whole number between {low:g} and {high:g}")
        return chance.randint(first, min(last, first + 10_000))
    return round(chance.uniform(low, high), 1) if high - low >= 1 else low


def _text(rules: Mapping[str, Any], name: str, chance: random.Random) -> str:
    parts = words(name)
    if rules.get("format") == "date" or "date" in parts or "day" in parts:
        return f"{chance.randint(1990, 2029)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    if rules.get("format") == "date-time":
        return f"{chance.randint(1990, 2029)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T12:00:00Z"
    if "id" in parts or "code" in parts:
        return f"{chance.choice('ABCDEFGHKLMNPQRSTUVWXYZ')}{chance.randint(100, 9999)}"
    made = _name(chance)
    if chance.random() < 0.5:
        made = f"{made} {chance.choice((_name(chance), chance.choice(_SECOND)))}"
    return made[: int(rules["maxLength"])] if "maxLength" in rules else made


def _name(chance: random.Random) -> str:
    return chance.choice(_ONSETS) + chance.choice(_MIDDLES) + chance.choice(_ENDS)


def said(value: object) -> str:
    """A value as a question says it."""
    if isinstance(value, str):
        # Names go without quotes; what would not be seen to be one piece goes in them.
        return value if re.fullmatch(r"[^\W_][\w:.-]*( [^\W_a-z][\w-]*)*", value) and len(value) < 40 else f'"{value}"'
    if isinstance(value, list):
        items = [said(item) for item in cast(Sequence[object], value)]
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
    if isinstance(value, Mapping):
        return " and ".join(
            f"{' '.join(words(key))} {said(item)}" for key, item in cast(Mapping[str, object], value).items()
        )
    kind = type_of(value)
    if kind == "boolean":
        return "yes" if value else "no"
    return "nothing" if kind == "null" else f"{value}"
