"""References to earlier lines: which lines there are, and which parts of their results can be named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from executor import JsonSchema, Tool
from planner.grammar.rules import Rules, either, literal

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH = 3
_MOST_PATHS = 400
_INDEX = '"[" ("0" | [1-9] [0-9]?) "]"'
_ANY_STEP = f'("." [A-Za-z_] [A-Za-z0-9_]{{0,40}} | {_INDEX})'


class References:
    """The references that a line may hold.

    Args:
        rules: where the rules go.
        tools: what the plan may call; what they give decides which fields can be named.
        known: ids of tasks of earlier plans.
    """

    def __init__(self, rules: Rules, tools: Iterable[Tool], known: Sequence[str] = ()) -> None:
        self._rules = rules
        self._known = tuple(known)
        self._path = _path(rules, tools)

    def at(self, earlier: Iterable[str]) -> str | None:
        """A rule for a reference to one of `earlier` or to a known task; None if there is none."""
        ids = [*self._known, *earlier]
        bare = [name for name in ids if name.isdecimal()]
        words = [name for name in ids if not name.isdecimal()]
        options: list[str] = []
        if bare:
            options.append(f"{literal('$')} {either(map(literal, bare))}{self._path}")
        if words:
            options.append(f"{literal('${')} {either(map(literal, words))}{self._path} {literal('}')}")
        return self._rules.add("r", " | ".join(options)) if options else None


def _path(rules: Rules, tools: Iterable[Tool]) -> str:
    """What may follow a line's number: the fields that the tools declare, or any path if one declares nothing."""
    found: dict[str, None] = {}
    for tool in tools:
        if tool.returns is None or not _collect(tool.returns, tool.returns, "", _DEPTH, found):
            return f" {_ANY_STEP}{{0,{_DEPTH}}}"
    return f" {rules.add('path', ' | '.join(found))}?" if found else ""


def _collect(schema: object, root: JsonSchema, before: str, depth: int, found: dict[str, None]) -> bool:
    """Adds the paths into a result of this schema; False if it does not say what is inside."""
    if not isinstance(schema, Mapping):
        return False
    rules = cast(Mapping[str, Any], schema)
    if isinstance(name := rules.get("$ref"), str):
        definitions = cast(JsonSchema, root.get("$defs", {}))
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
        found[step] = None
        return _collect(rules.get("items"), root, step, depth - 1, found)
    fields = cast(Mapping[str, object], rules.get("properties", {}))
    if fields:
        if depth == 0:
            return True
        for name, part in fields.items():
            written = f".{name}" if _KEY.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"
            step = f"{before} {literal(written)}".strip()
            found[step] = None
            _collect(part, root, step, depth - 1, found)
        return True
    return kind in ("string", "integer", "number", "boolean", "null") or "enum" in rules or bool(before)
