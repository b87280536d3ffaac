"""References to earlier lines: which lines there are, and which parts of their results can be named, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from executor import JsonSchema, Tool
from planner.fits import Fit, fit, takes_text
from planner.grammar.rules import Rules, either, literal

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH = 3
_MOST_PATHS = 400
_INDEX = '"[" ("0" | [1-9] [0-9]?) "]"'
_ANY_STEP = f'("." [A-Za-z_] [A-Za-z0-9_]{{0,40}} | {_INDEX})'
# What decides whether a value fits, besides what is inside it.
_TELLING = ("type", "enum", "const", "format", "anyOf", "oneOf", "items", "properties", "required", "$ref")


class _Part(NamedTuple):
    """A part of a tool's result, and what its `$ref` points into."""

    schema: object
    definitions: JsonSchema
    told: str


class References:
    """The references that lines may hold: `$1.name`, where a tool gives a `name` that fits what the argument takes.

    A grammar cannot know which tool an earlier line called, so that `$1.name` may still name what line 1 does not give.

    Args:
        rules: where the rules go.
        tools: what the plan may call; what they give decides which fields can be named.
        known: ids of tasks of earlier plans.
    """

    def __init__(self, rules: Rules, tools: Iterable[Tool], known: Sequence[str] = ()) -> None:
        self._rules = rules
        self._known = tuple(known)
        self._parts = _parts(tools)
        self._fits: dict[tuple[str, str], Fit] = {}
        self._paths: dict[str | None, str | None] = {}
        self._told: dict[int, str | None] = {}
        self._made: dict[tuple[tuple[str, ...], str | None], str | None] = {}

    def at(self, earlier: Iterable[str]) -> str | None:
        """A rule for a reference to one of `earlier` or to a known task; None if there is none."""
        return self._rule(tuple(earlier), None, None, {})

    def fitting(self, earlier: Sequence[str], schema: object, definitions: JsonSchema) -> str | None:
        """The same for an argument of this schema: only to what fits, or does not say what it is.

        A text takes anything: real plans give numbers and lists to tools that want them as text.
        """
        # The schemas live as long as the tools do, which outlive this.
        if id(schema) not in self._told:
            free = self._parts is None or takes_text(schema, definitions)
            self._told[id(schema)] = None if free else _told(schema, definitions)
        key = self._told[id(schema)]
        return self._rule(tuple(earlier), key, schema, definitions)

    def _rule(self, earlier: tuple[str, ...], key: str | None, schema: object, definitions: JsonSchema) -> str | None:
        if (earlier, key) not in self._made:
            self._made[earlier, key] = self._written(earlier, self._path(key, schema, definitions))
        return self._made[earlier, key]

    def _written(self, earlier: tuple[str, ...], path: str | None) -> str | None:
        if path is None:
            return None
        ids = [*self._known, *earlier]
        bare = [name for name in ids if name.isdecimal()]
        words = [name for name in ids if not name.isdecimal()]
        options: list[str] = []
        if bare:
            options.append(f"{literal('$')} {either(map(literal, bare))}{path}")
        if words:
            options.append(f"{literal('${')} {either(map(literal, words))}{path} {literal('}')}")
        return self._rules.add("r", " | ".join(options)) if options else None

    def _path(self, key: str | None, schema: object, definitions: JsonSchema) -> str | None:
        """What may follow a line's number; None where nothing that any tool gives fits."""
        if self._parts is None:
            return f" {_ANY_STEP}{{0,{_DEPTH}}}"
        if key not in self._paths:
            found = [
                step
                for step, given in self._parts.items()
                if key is None or any(self._fit(part, key, schema, definitions) != "no" for part in given)
            ]
            inner = [step for step in found if step]
            rule = f" {self._rules.add('path', ' | '.join(inner))}" if inner else ""
            self._paths[key] = None if not found and self._parts else f"{rule}?" if rule and "" in found else rule
        return self._paths[key]

    def _fit(self, part: _Part, key: str, schema: object, definitions: JsonSchema) -> Fit:
        pair = (part.told, key)
        if pair not in self._fits:
            self._fits[pair] = fit(part.schema, schema, given_in=part.definitions, wanted_in=definitions)
        return self._fits[pair]


def _told(schema: object, definitions: JsonSchema) -> str:
    """What tells one schema from another here; descriptions and bounds do not."""
    if not isinstance(schema, Mapping):
        return ""
    rules = cast(Mapping[str, Any], schema)
    if set(rules) <= {"type", "description", "title", "default"} and isinstance(rules.get("type"), str):
        return str(rules["type"])
    told = str({key: rules[key] for key in _TELLING if key in rules})
    return f"{told} in {definitions}" if "$ref" in told else told


def _parts(tools: Iterable[Tool]) -> dict[str, list[_Part]] | None:
    """By what follows the number, parts of results; an empty step is the whole. None if a tool declares nothing."""
    found: dict[str, list[_Part]] = {}
    for tool in tools:
        if tool.returns is None or not _collect(tool.returns, tool.returns, "", _DEPTH, found):
            return None
    return found


def _collect(schema: object, root: JsonSchema, before: str, depth: int, found: dict[str, list[_Part]]) -> bool:
    """Adds the parts of a result of this schema; False if it does not say what is inside."""
    if not isinstance(schema, Mapping):
        return False
    rules = cast(Mapping[str, Any], schema)
    definitions = cast(JsonSchema, root.get("$defs", {}))
    _add(found, before, rules, definitions)
    if isinstance(name := rules.get("$ref"), str):
        rules = cast(Mapping[str, Any], definitions.get(name.rsplit("/", 1)[-1], {}))
        depth -= 1
    if depth < 0 or len(found) > _MOST_PATHS:
        return True
    if options := rules.get("anyOf") or rules.get("oneOf"):
        told = [_collect(option, root, before, depth, found) for option in options]
        return all(told)
    kind = rules.get("type")
    if kind == "array":
        if depth == 0:
            return True
        step = f"{before} {_INDEX}".strip()
        found.setdefault(step, [])
        if not _collect(rules.get("items"), root, step, depth - 1, found):
            _add(found, step, {}, definitions)
            return False
        return True
    fields = cast(Mapping[str, object], rules.get("properties", {}))
    if fields:
        if depth == 0:
            return True
        for name, part in fields.items():
            written = f".{name}" if _KEY.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"
            step = f"{before} {literal(written)}".strip()
            if not _collect(part, root, step, depth - 1, found):
                _add(found, step, {}, definitions)
        return True
    return kind in ("string", "integer", "number", "boolean", "null") or "enum" in rules or bool(before)


def _add(found: dict[str, list[_Part]], step: str, schema: object, definitions: JsonSchema) -> None:
    there = found.setdefault(step, [])
    told = _told(schema, definitions)
    if all(part.told != told for part in there):
        there.append(_Part(schema, definitions, told))
