"""Plans as JSON, for endpoints that know JSON Schema and no grammars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from executor import Tool, Toolset
from planner.grammar.lines import check_names
from planner.grammar.values import LONGEST_TEXT

_REFERENCE = {"type": "string", "pattern": r"^\$[0-9]+(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*$"}
_INNER = ("properties", "patternProperties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")


def plan_schema(tools: Toolset, *, lines: int = 16, least: int = 1) -> dict[str, Any]:
    """JSON Schema of `{"calls": [{"tool": …, "args": {…}}]}`, in the dialect of strict structured output.

    A schema cannot say that references point backwards; the reader does.

    Raises:
        PlannerError: a tool has a name that cannot be written in a plan.
    """
    check_names(tools)
    definitions: dict[str, Any] = {"reference": _REFERENCE}
    calls = [_call(tool, f"t{at}", definitions) for at, tool in enumerate(tools.values())]
    listed = {"type": "array", "items": {"anyOf": calls}, "minItems": least, "maxItems": lines}
    return {
        "title": "plan",
        "type": "object",
        "properties": {"calls": listed if calls else {"type": "array", "items": {"type": "null"}, "maxItems": 0}},
        "required": ["calls"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _call(tool: Tool, prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    signature = tool.signature
    for name, schema in signature.definitions.items():
        definitions[f"{prefix}_{name}"] = _with_references(schema, prefix)
    arguments = {
        "type": "object",
        "properties": {part.name: _with_references(part.schema, prefix) for part in signature.parameters},
        "required": [part.name for part in signature.parameters if part.required],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"tool": {"const": tool.name}, "args": arguments},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _with_references(schema: object, prefix: str) -> object:
    """The schema with a reference allowed wherever a value is, and its definitions under the tool's own prefix."""
    changed = _changed(schema, prefix)
    kind = cast(Mapping[str, Any], schema).get("type") if isinstance(schema, Mapping) else None
    if kind == "string" and "enum" not in changed and "pattern" not in changed and "const" not in changed:
        return {"maxLength": LONGEST_TEXT, **changed}
    if not changed or (kind is None and not {"enum", "const", "$ref", "anyOf", "oneOf"} & changed.keys()):
        return changed
    return {"anyOf": [changed, {"$ref": "#/$defs/reference"}]}


def _changed(schema: object, prefix: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    made: dict[str, Any] = {}
    for key, value in cast(Mapping[str, Any], schema).items():
        if key == "$ref" and isinstance(value, str):
            made[key] = f"#/$defs/{prefix}_{value.rsplit('/', 1)[-1]}"
        elif key in _INNER and isinstance(value, Mapping):
            parts = cast(Mapping[str, object], value)
            made[key] = {name: _with_references(part, prefix) for name, part in parts.items()}
        elif key in _LISTED:
            made[key] = [_changed(part, prefix) for part in cast(list[object], value)]
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            made[key] = _with_references(cast(object, value), prefix)
        elif key not in ("default", "title", "description", "examples"):
            made[key] = value
    return made
