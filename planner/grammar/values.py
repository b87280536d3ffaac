"""Arguments as grammar: what a parameter's JSON Schema lets a plan write at a given line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from executor import JsonSchema
from planner.grammar import numbers
from planner.grammar.grounds import Grounds
from planner.grammar.rules import Item, Rules, either, listed, literal

LONGEST_TEXT = 400
"""For JSON schemas, whose servers count well."""
# Lists with a greatest length are counted up to this; longer ones are not.
_MOST_COUNTED = 12
# Inside one text.
_MOST_REFERENCES = 4
# How often one may step into a definition, a list or an object: recursive schemas have no end of their own.
_DEPTH = 4
_ANY_DEPTH = 2
_PLAIN = r'[^"\\$\x00-\x1f]'
_ESCAPED = r'"\\" ["\\nt]'
# What may follow a reference inside a text: nothing that would be read as a part of it.
_SAFE = r'[^A-Za-z0-9_.\["\\$\x00-\x1f]'
_LOOSE = ("patternProperties", "not", "if", "dependentRequired", "dependentSchemas", "propertyNames")
_KEY = '"\\"" [A-Za-z_] [A-Za-z0-9_ -]{0,40} "\\": "'


class Values:
    """Expressions for values at one line.

    Args:
        rules: where the rules go.
        reference: the rule of a reference that may stand inside any text here; None on a first line.
        definitions: what `$ref` points into.
        loose: receives a sentence for each thing the grammar cannot express, which is checked after it is written.
        where: the tool and the parameter, for these sentences.
        fitting: the rule of a reference that may stand for a value of a schema; by default `reference`.
        grounds: if given, the numbers and codes that may be written; what is none of them is referred to.
        identifier: whether the parameter takes a code that another tool gives.
    """

    def __init__(
        self,
        rules: Rules,
        reference: str | None,
        definitions: JsonSchema,
        loose: dict[str, None],
        where: str,
        *,
        fitting: Callable[[object], str | None] | None = None,
        grounds: Grounds | None = None,
        identifier: bool = False,
    ) -> None:
        self._fitting = fitting
        self._grounds = grounds
        self._identifier = identifier
        self._rules = rules
        self._reference = reference
        self._definitions = definitions
        self._loose = loose
        self._where = where

    def value(self, schema: object, depth: int = _DEPTH) -> str | None:
        """A value of this schema, or a reference to one; None where none can be written."""
        options = self._literals(schema, depth)
        if (reference := self._reference if self._fitting is None else self._fitting(schema)) is not None:
            options.append(reference)
        if not options:
            return None
        return options[0] if len(options) == 1 else self._rules.add("v", " | ".join(dict.fromkeys(options)))

    def _literals(self, schema: object, depth: int) -> list[str]:
        if not isinstance(schema, Mapping):
            return self._anything(_ANY_DEPTH)
        if depth < 0:
            self._note(f"it is nested no deeper than {_DEPTH} levels")
            return []
        rules = cast(Mapping[str, Any], schema)
        for key in _LOOSE:
            if key in rules:
                self._note(f"{key} is checked by the tool, not by the grammar")
        if isinstance(name := rules.get("$ref"), str):
            return self._literals(self._definitions.get(name.rsplit("/", 1)[-1]), depth - 1)
        if "const" in rules:
            return [_constant(rules["const"])]
        if "enum" in rules:
            return [_constant(choice) for choice in rules["enum"]]
        options = rules.get("anyOf") or rules.get("oneOf")
        if options:
            return [found for option in options for found in self._literals(option, depth)]
        if parts := cast(Sequence[object], rules.get("allOf", ())):
            if len(parts) == 1:
                return self._literals(parts[0], depth)
            self._note("allOf is checked by the tool, not by the grammar")
            return self._anything(_ANY_DEPTH)
        kinds = rules.get("type")
        if kinds is None and "properties" in rules:
            kinds = "object"
        if kinds is None:
            return self._anything(_ANY_DEPTH)
        names = [kinds] if isinstance(kinds, str) else cast(Sequence[str], kinds)
        return [found for kind in names for found in self._of_kind(kind, rules, depth)]

    def _of_kind(self, kind: str, rules: Mapping[str, Any], depth: int) -> list[str]:
        low, high = float(rules.get("minimum", -math.inf)), float(rules.get("maximum", math.inf))
        match kind:
            case "string":
                if self._grounds is not None and self._identifier:
                    return [literal(json.dumps(code.replace("$", "$$"))) for code in self._grounds.codes]
                if rules.get("pattern"):
                    self._note("its pattern is checked after it is written")
                return [self.text()]
            case "integer" | "number" if self._grounds is not None:
                return [literal(text) for text in self._grounds.numbers if _is_in(text, kind, low, high)]
            case "integer":
                found = numbers.integer(low, high)
                return [self._rules.add("i", found)] if found else []
            case "number":
                found = numbers.number(low, high)
                if found is None:
                    self._note("its bounds are checked after it is written")
                    found = cast(str, numbers.number())
                return [self._rules.add("n", found)]
            case "boolean":
                return ['"true"', '"false"']
            case "null":
                return ['"null"']
            case "array":
                return self._array(rules, depth)
            case "object":
                return self._object(rules, depth)
            case _:
                return self._anything(_ANY_DEPTH)

    def text(self) -> str:
        """A text in quotes; references may stand inside it."""
        found = self._rules.texts.get(self._reference)
        if found is None:
            found = self._rules.texts[self._reference] = self._text()
        return found

    def _text(self) -> str:
        rules = self._rules
        char = rules.add("char", f'{_PLAIN} | {_ESCAPED} | "$$"')
        # Without a bound: xgrammar needs 0.3 s a token to count to 200 here, and a microsecond without counting.
        chars = rules.add("chars", f"{char}*")
        if self._reference is None:
            return rules.add("text", f'"\\"" {chars} "\\""')
        end = '"\\""'
        more = end
        # A rule of its own: servers prepare each rule once, and this one has a large set of characters.
        tail = rules.add("tail", f"{_SAFE} {chars}")
        for _ in range(_MOST_REFERENCES):
            further = rules.add("more", f"{self._reference} ({end} | {tail} ({more}))")
            more = f"{end} | {further}"
        return rules.add("text", f"{end} {chars} ({more})")

    def _array(self, rules: Mapping[str, Any], depth: int) -> list[str]:
        least = int(rules.get("minItems", 0))
        most = int(rules["maxItems"]) if "maxItems" in rules else None
        if most is not None and most > max(least, _MOST_COUNTED):
            most = None
            self._note("its number of items is checked after it is written")
        item = self.value(rules.get("items"), depth - 1)
        if item is None or most == 0:
            return ['"[]"'] if least == 0 else []
        more = " ".join(
            [
                item,
                *[f'", " {item}'] * (max(1, least) - 1),
                _further(item, None if most is None else most - max(1, least)),
            ]
        )
        return [self._rules.add("list", f'"[" ({more})? "]"' if least == 0 else f'"[" {more} "]"')]

    def _object(self, rules: Mapping[str, Any], depth: int) -> list[str]:
        fields = cast(Mapping[str, object], rules.get("properties", {}))
        if not fields:
            if rules.get("additionalProperties") is False:
                return ['"{}"']
            return self._free_object(rules.get("additionalProperties"), depth)
        needed = set(rules.get("required", ()))
        items = [
            Item(f"{json.dumps(name, ensure_ascii=False)}: ", self.value(part, depth - 1), name in needed)
            for name, part in fields.items()
        ]
        inner = listed(self._rules, items)
        return [] if inner is None else [self._rules.add("obj", f'"{{" {inner} "}}"')]

    def _free_object(self, inner: object, depth: int) -> list[str]:
        """An object whose keys are free. That none is written twice no grammar can say: the reader does."""
        self._note("its keys are free, and are checked after they are written")
        typed = isinstance(inner, Mapping)
        value = self.value(cast(object, inner), depth - 1) if typed else either(self._anything(_ANY_DEPTH - 1))
        if value is None:
            return ['"{}"']
        entry = self._rules.add("entry", f"{_KEY} {value}")
        return [self._rules.add("obj", f'"{{" ({entry} (", " {entry})*)? "}}"')]

    def _anything(self, depth: int) -> list[str]:
        found = [self.text(), self._rules.add("n", cast(str, numbers.number())), '"true"', '"false"', '"null"']
        if depth:
            options = self._anything(depth - 1)
            item = self._rules.add("v", " | ".join([*options, self._reference] if self._reference else options))
            found.append(self._rules.add("list", f'"[" ({item} (", " {item})*)? "]"'))
            entry = self._rules.add("entry", f"{_KEY} {item}")
            found.append(self._rules.add("obj", f'"{{" ({entry} (", " {entry})*)? "}}"'))
        return found

    def _note(self, what: str) -> None:
        self._loose[f"{self._where}: {what}"] = None


def _is_in(text: str, kind: str, low: float, high: float) -> bool:
    number = float(text)
    return low <= number <= high and (kind == "number" or number.is_integer())


def _further(item: str, most: int | None) -> str:
    """Up to `most` more items, each behind a comma, written out: servers are slow at counting."""
    if most is None:
        return f'(", " {item})*'
    written = ""
    for _ in range(most):
        written = f'(", " {item} {written})?'.replace(" )", ")")
    return written


def _constant(value: object) -> str:
    """A constant of a schema as a plan writes it: dollars doubled, as everywhere in plans."""
    return literal(json.dumps(_doubled(value), ensure_ascii=False))


def _doubled(value: object) -> object:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_doubled(item) for item in cast(list[object], value)]
    if isinstance(value, Mapping):
        return {name: _doubled(item) for name, item in cast(Mapping[str, object], value).items()}
    return value
