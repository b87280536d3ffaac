"""A workflow's inputs: how they are declared, and whether those given fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from agentrt.workflows.errors import InvalidInputs, nearest
from agentrt.workflows.types import Type, kinds
from executor import Parameter, Signature

TYPES = ("string", "integer", "number", "boolean", "array", "object")


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        name: what `${inputs.NAME}` calls it.
        schema: JSON Schema of its value.
        required: whether it must be given.
        default: its value where it is not given.
    """

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    required: bool = True
    default: object = None

    @property
    def type(self) -> Type:
        """What is known of its value."""
        return Type.of_schema(self.schema)


def signature_of(inputs: Mapping[str, Input]) -> Signature:
    """The inputs as parameters, for a workflow that is called like a tool."""
    return Signature([Parameter(one.name, one.schema, one.required) for one in inputs.values()])


def complete(workflow: str, inputs: Mapping[str, Input], given: Mapping[str, object]) -> dict[str, object]:
    """The value of every input, defaults filled in.

    Raises:
        InvalidInputs: some are missing, unknown or of the wrong type; the message names all of them.
    """
    unknown = [name for name in given if name not in inputs]
    problems = [f"there is no input {name!r}; {nearest(name, list(inputs))}" for name in unknown]
    for one in inputs.values():
        if one.name not in given:
            if one.required:
                problems.append(f"input {one.name!r} is missing")
        else:
            check = Signature([Parameter(one.name, one.schema)]).check({one.name: given[one.name]})
            problems.extend(f"input {problem}" for problem in check)
    if problems:
        takes = ", ".join(_written(one) for one in inputs.values())
        raise InvalidInputs(workflow, problems, f"it takes {takes}" if takes else "it takes no inputs")
    return {one.name: given.get(one.name, one.default) for one in inputs.values()}


def from_text(one: Input, text: str) -> object:
    """An input's value as a command line gives it: text for texts, else JSON.

    Raises:
        ValueError: it is no JSON.
    """
    known = kinds(one.type)
    if known is None or known == frozenset({"string"}):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        if "string" in known:
            return text
        wanted = " or ".join(sorted(known))
        raise ValueError(f"input {one.name}: {text!r} is not {wanted} written as JSON ({error})") from error


def _written(one: Input) -> str:
    kind = cast(object, one.schema.get("type", "any value"))
    return f"{one.name}: {kind}" + ("" if one.required else " (optional)")
