"""What is known of the values of steps before they run, from the tools' and the steps' own schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from agentrt.workflows.errors import nearest
from agentrt.workflows.schema import FIRST_OF, AskStep, CallStep, ConverseStep, RetrieveStep, RunStep
from agentrt.workflows.step import Step
from agentrt.workflows.types import ANY, ERROR, TEXT, NoSuchPart, Type, either, list_of, of_literal, part
from executor import Ref, Text, Toolset

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow

_TALK = {
    "type": "object",
    "properties": {
        "answer": {"type": ["string", "null"]},
        "stop_reason": {"type": "string"},
        "tokens": {"type": "integer"},
        "transcript": {"type": "string"},
    },
}


class Inference:
    """The types of one workflow's steps; each is worked out once.

    Args:
        workflow: whose steps.
        tools: what they may call; None where that is not known.
    """

    def __init__(self, workflow: Workflow, tools: Toolset | None) -> None:
        self.workflow = workflow
        self.tools = tools
        self._types: dict[str, Type] = {}

    def type_at(self, step: Step | None, ref: Ref) -> Type:
        """The type of what a reference refers to. Raises NoSuchPart."""
        if ref.task == "inputs":
            inputs = self.workflow.inputs
            if not ref.path:
                fields = {name: one.schema for name, one in inputs.items()}
                return Type({"type": "object", "properties": fields})
            name = str(ref.path[0])
            if name not in inputs:
                raise NoSuchPart("there is no such input", nearest(name, list(inputs)))
            return part(inputs[name].type, ref.path[1:])
        if ref.task == "item":
            return part(self._item_type(step), ref.path)
        other = self.workflow.steps.get(ref.task)
        return part(self.type_of(other), ref.path) if other is not None else ANY

    def _item_type(self, step: Step | None) -> Type:
        if step is None or step.foreach is None:
            return ANY
        if isinstance(step.items, Ref) and step.items.task != "item":
            try:
                return part(self.type_at(step, step.items), [0])
            except NoSuchPart:
                return ANY
        return part(self.type_of_tree(cast(object, step.items)), [0]) if isinstance(step.items, list) else ANY

    def type_of(self, step: Step) -> Type:
        """What is known of a step's value."""
        if step.id not in self._types:
            self._types[step.id] = self._type_of(step)
        return self._types[step.id]

    def _type_of(self, step: Step) -> Type:
        one = self._type_of_call(step)
        if step.foreach is not None:
            one = list_of(either(one, ERROR) if step.foreach.on_error == "continue" else one)
        tool = self.tools.get(step.spec.call) if self.tools is not None and isinstance(step.spec, CallStep) else None
        policy = step.spec.on_error or (tool.on_error if tool is not None else "skip")
        return either(one, ERROR) if policy == "continue" else one

    def _type_of_call(self, step: Step) -> Type:
        match step.spec:
            case CallStep(call=name):
                tool = self.tools.get(name) if self.tools is not None else None
                return ANY if tool is None else Type.of_schema(tool.returns)
            case AskStep(schema_=schema):
                return TEXT if schema is None else Type.of_schema(schema)
            case ConverseStep():
                return Type(_TALK)
            case RetrieveStep(graph=name):
                tool = self.tools.get(name) if self.tools is not None else None
                return ANY if tool is None else Type.of_schema(tool.returns)
            case RunStep(run=name):
                nested = self.workflow.nested.get(name)
                return ANY if nested is None else nested.output_type(self.tools)
            case _:
                return TEXT

    def type_of_tree(self, value: object) -> Type:
        """What is known of a tree with references in it, such as the output."""
        if isinstance(value, Ref):
            try:
                return self.type_at(None, value)
            except NoSuchPart:
                return ANY
        if isinstance(value, Text):
            return TEXT
        if isinstance(value, Mapping):
            fields = cast(Mapping[str, object], value)
            if [*fields] == [FIRST_OF] and isinstance(fields[FIRST_OF], list):
                return either(*(self.type_of_tree(item) for item in cast(list[object], fields[FIRST_OF])))
            parts = {name: either(self.type_of_tree(item)).schema for name, item in fields.items()}
            return Type({"type": "object", "properties": parts, "additionalProperties": False})
        if isinstance(value, list):
            items = [self.type_of_tree(item) for item in cast(list[object], value)]
            return list_of(either(*items)) if items else Type({"type": "array"})
        return of_literal(value) if value is not None else ANY
