"""A YAML tree into steps. Every problem is kept with its place, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

from agentrt.workflows.conditions import ConditionError, Parsed, parse_condition
from agentrt.workflows.errors import Problem, nearest
from agentrt.workflows.faults import Model, faults_of, quietly, without_faults
from agentrt.workflows.inputs import TYPES, Input
from agentrt.workflows.schema import KINDS, RESERVED, STEP_NAME, STEPS, ForEachSpec, StepSpec, WorkflowSpec
from agentrt.workflows.source import Source
from agentrt.workflows.step import Step, Use, Where
from agentrt.workflows.tree import Key, Node
from executor import Ref, Text, parse

# What each kind's own keys are called as arguments of its call.
_ARGUMENTS: dict[str, Mapping[str, str]] = {
    "ask": {"ask": "prompt", "schema": "schema", "system": "system", "temperature": "temperature"},
    "plan": {"plan": "question", "tools": "tools"},
    "retrieve": {"retrieve": "question"},
    "converse": {
        "converse": "question",
        "contexts": "contexts",
        "agents": "agents",
        "protocol": "protocol",
        "format": "format",
    },
}
_PLAIN = ("schema", "tools", "protocol", "format")
"""Keys in which a dollar is a dollar."""


class Reader:
    """Reads one file's tree.

    Attributes:
        problems: what is wrong, in the order it was found.
        inputs: by name.
        steps: by name; those that cannot be read are left out.
        names: of all steps, readable or not.
        output: what the run gives, references found; None where the file says nothing.
        output_uses: the references in it.
    """

    def __init__(self, source: Source, root: Node) -> None:
        self.source = source
        self.root = root
        self.problems: list[Problem] = []
        self.inputs: dict[str, Input] = {}
        self.steps: dict[str, Step] = {}
        self.names: frozenset[str] = frozenset()
        self.output: object = None
        self.output_uses: list[Use] = []
        self.spec: WorkflowSpec | None = None

    def read(self) -> None:
        """Reads everything that can be read."""
        if not isinstance(self.root.value, dict):
            self.problem(self.root.start, "a workflow is a mapping", "it begins with `agentrt: 1`, `name:`, `tasks:`")
            return
        self.spec = self._validated(WorkflowSpec, self.root) or WorkflowSpec.model_construct(name="workflow")
        tasks = self.root.children.get("tasks")
        if tasks is not None and isinstance(tasks.value, dict):
            self.names = frozenset(tasks.keys)
        declared = self.root.children.get("inputs")
        for name in declared.keys if declared is not None else ():
            self._input(name, cast(Node, declared).children[name])
        for name, key in tasks.keys.items() if tasks is not None else ():
            self._step(name, cast(Node, tasks).children[name], key)
        if (output := self.root.children.get("output")) is not None:
            self.output = self._references(output, "output", self.output_uses)

    def problem(self, offset: int, message: str, hint: str = "") -> None:
        """Notes one problem."""
        self.problems.append(self.source.problem(offset, message, hint))

    def _input(self, name: str, node: Node) -> None:
        said = node.value
        if isinstance(said, str):
            if said in TYPES:
                self.inputs[name] = Input(name, {"type": said})
            else:
                self.problem(node.start, f"there is no type {said!r}", nearest(said, TYPES))
                self.inputs[name] = Input(name)
            return
        if not isinstance(said, dict):
            hint = "as in `title: string` or `title: {type: string, default: Heat}`"
            self.problem(node.start, f"input {name} needs a type", hint)
            self.inputs[name] = Input(name)
            return
        schema = cast(dict[str, Any], said)
        if (declared := schema.get("type")) is not None and not (
            isinstance(declared, list) or declared in (*TYPES, "null")
        ):
            self.problem(node.at(["type"]).start, f"there is no type {declared!r}", nearest(str(declared), TYPES))
            self.inputs[name] = Input(name)
            return
        has_default = "default" in schema
        one = Input(name, {k: v for k, v in schema.items() if k != "default"}, not has_default, schema.get("default"))
        self.inputs[name] = one
        if has_default:
            from executor import Parameter, Signature

            for trouble in Signature([Parameter("default", one.schema)]).check({"default": one.default}):
                self.problem(node.at(["default"]).start, f"input {name}: {trouble}")

    def _step(self, name: str, node: Node, key: int) -> None:
        if name in RESERVED:
            self.problem(key, f"a step cannot be called {name!r}: references use that name", "give it another name")
            return
        if not re.match(STEP_NAME, name):  # told already
            return
        if not isinstance(node.value, dict):
            self.problem(
                node.start, f"step {name} is not a mapping", "as in `find: {call: search, with: {title: Heat}}`"
            )
            return
        present = [kind for kind in node.keys if kind in KINDS]
        if len(present) != 1:
            self._no_kind(name, node, key, present)
            return
        kind = present[0]
        spec = self._validated(STEPS[kind], node)
        complete = spec is not None
        if spec is None:
            # What is wrong has been told; the rest of the step is read as if that were not there.
            node = without_faults(STEPS[kind], node)
            spec = quietly(STEPS[kind], node)
        if spec is None:
            return
        uses: list[Use] = []
        items, foreach = self._foreach(spec, node, uses)
        args = self._arguments(kind, spec, node, uses)
        when = self._when(name, node, uses)
        after = self._after(name, node)
        approve = self._approve(name, spec, node, uses)
        self.steps[name] = Step(
            name, kind, spec, node, args, after, when, items, foreach, tuple(uses), approve, complete
        )

    def _no_kind(self, name: str, node: Node, key: int, present: list[str]) -> None:
        if present:
            extra = ", ".join(present[1:])
            hint = f"a step does one thing: move {extra} to a step of its own"
            self.problem(node.keys[present[1]], f"step {name} says {' and '.join(present)}", hint)
            return
        known = set(StepSpec.model_fields) | {"with"}
        foreign = next((word for word in node.keys if word not in known), "")
        hint = nearest(foreign, KINDS) if foreign else f"a step has one of {', '.join(KINDS)}"
        at = node.keys[foreign] if foreign else key
        self.problem(at, f"step {name} does not say what it does", hint)

    def _arguments(self, kind: str, spec: StepSpec, node: Node, uses: list[Use]) -> dict[str, object]:
        if kind in ("call", "run"):
            given = node.children.get("with")
            if given is None:
                return {}
            return cast("dict[str, object]", self._references(given, "argument", uses))
        args: dict[str, object] = {}
        for key, name in _ARGUMENTS[kind].items():
            child = node.children.get(key)
            if child is None or child.value is None:
                continue
            args[name] = child.value if key in _PLAIN else self._references(child, "argument", uses, (name,))
        limits: BaseModel | None = getattr(spec, "limits", None)
        if limits is not None:
            given = limits.model_dump(exclude_none=True)
            args |= {f"max_{name}": value for name, value in given.items() if name in limits.model_fields_set}
        return args

    def _foreach(self, spec: StepSpec, node: Node, uses: list[Use]) -> tuple[object, ForEachSpec | None]:
        child = node.children.get("foreach")
        if child is None or child.value is None:
            return None, None
        if isinstance(spec.foreach, ForEachSpec):
            return self._references(child.children["items"], "items", uses), spec.foreach
        items = self._references(child, "items", uses)
        return items, ForEachSpec(items=child.value)

    def _when(self, name: str, node: Node, uses: list[Use]) -> Parsed | None:
        child = node.children.get("when")
        if child is None or child.value is None:
            return None
        text = child.value
        if isinstance(text, bool):
            text = "true" if text else "false"
        try:
            parsed = parse_condition(text)
        except ConditionError as error:
            self.problem(self.inside(child, text, error.offset), f"step {name}: {error}", error.hint)
            return None
        for ref, _ in condition_references(parsed):
            uses.append(Use(ref, True, child, "when"))
        return parsed

    def _approve(self, name: str, spec: StepSpec, node: Node, uses: list[Use]) -> object:
        if not isinstance(spec.approve, str):
            return spec.approve
        found: list[Use] = []
        question = self._references(node.children["approve"], "argument", found)
        for use in found:
            if use.ref.task != "inputs":
                hint = "the person sees the call's arguments beside the question"
                self.problem(self.place_of(use), f"step {name}: a question for a person may use inputs only", hint)
        uses.extend(use for use in found if use.ref.task == "inputs")
        return question

    def _after(self, name: str, node: Node) -> tuple[str, ...]:
        child = node.children.get("after")
        if child is None or child.value is None:
            return ()
        named = (
            [(child.value, child)]
            if isinstance(child.value, str)
            else zip(child.value, child.children.values(), strict=True)
        )
        found: list[str] = []
        for other, place in named:
            if other == name:
                self.problem(place.start, f"step {name} comes after itself", "take it out")
            elif other in self.names:
                found.append(other)
            else:
                hint = nearest(other, [known for known in self.names if known != name])
                self.problem(place.start, f"step {name} comes after {other!r}, which no step is called", hint)
        return tuple(dict.fromkeys(found))

    def _references(self, node: Node, where: Where, uses: list[Use], path: tuple[Key, ...] = ()) -> object:
        """The node's value with its references found; each is noted in `uses`."""
        value = node.value
        if isinstance(value, str):
            return self._text(node, value, where, uses, path)
        if isinstance(value, dict):
            return {key: self._references(child, where, uses, (*path, key)) for key, child in node.children.items()}
        if isinstance(value, list):
            return [self._references(child, where, uses, (*path, index)) for index, child in node.children.items()]
        return value

    def _text(self, node: Node, text: str, where: Where, uses: list[Use], path: tuple[Key, ...]) -> object:
        if "$" not in text:
            return text
        found = parse(text)
        read = 1 if isinstance(found, Ref) else 0
        if isinstance(found, Text):
            read = sum(isinstance(piece, Ref) for piece in found.parts)
        if text.count("$") > read and (at := unread_reference(text)) >= 0:
            hint = "a reference is written ${step}, ${step.field[0]} or ${inputs.name}; $$ is a dollar"
            self.problem(self.inside(node, text, at), "this is not a reference", hint)
        if isinstance(found, str):
            return found
        if isinstance(found, Ref):
            if self._is_amount(found, text):
                return text
            uses.append(Use(found, True, node, where, path))
            return found
        parts: list[str | Ref] = []
        for piece in found.parts:
            if isinstance(piece, Ref) and self._is_amount(piece, text):
                piece = "$" + str(piece)[2:-1]
            if isinstance(piece, Ref):
                uses.append(Use(piece, False, node, where, path))
            if isinstance(piece, str) and parts and isinstance(parts[-1], str):
                parts[-1] += piece
            else:
                parts.append(piece)
        return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else Text(tuple(parts))

    def _is_amount(self, ref: Ref, text: str) -> bool:
        """Whether `$15` is an amount of money: no step is called that, and it has no braces."""
        return ref.task.isdecimal() and ref.task not in self.names and f"${{{ref.task}" not in text

    def inside(self, node: Node, value: str, offset: int) -> int:
        """Offset in the file of the character at `offset` of a scalar's value; escapes and folding make it a guess."""
        raw = self.source.text[node.start : node.end]
        found = raw.find(value[offset : offset + 40].split("\n", 1)[0]) if offset < len(value) else -1
        if found >= 0:
            direct = raw.find(value)
            return node.start + (direct + offset if direct >= 0 else found)
        direct = raw.find(value)
        return node.start + (direct + offset if direct >= 0 else 0)

    def place_of(self, use: Use) -> int:
        """Offset in the file of a reference."""
        raw = self.source.text[use.node.start : use.node.end]
        for written in (str(use.ref), f"${{{use.ref.task}", f"${use.ref.task}"):
            if (at := raw.find(written)) >= 0:
                return use.node.start + at
        return use.node.start

    def _validated(self, model: type[Model], node: Node) -> Model | None:
        found = quietly(model, node)
        if found is None:
            for offset, message, hint in faults_of(model, node):
                self.problem(offset, message, hint)
        return found


def condition_references(parsed: Parsed) -> Iterator[tuple[Ref, int]]:
    """Every reference in a condition, with its offset in the condition's text."""
    for comparison in parsed.comparisons:
        for operand in (comparison.left, comparison.right):
            if operand is None:
                continue
            values = cast(Sequence[object], operand.value) if isinstance(operand.value, list) else [operand.value]
            for value in values:
                if isinstance(value, Ref):
                    yield value, operand.offset


def unread_reference(text: str) -> int:
    """Offset of a `${` that begins no reference; -1 where every one does."""
    at = text.find("${")
    while at >= 0:
        dollars = len(text[:at]) - len(text[:at].rstrip("$"))
        if dollars % 2 == 0 and not _begins_reference(text, at):
            return at
        at = text.find("${", at + 2)
    return -1


def _begins_reference(text: str, at: int) -> bool:
    end = at
    for _ in range(20):  # a quoted key may hold a brace
        end = text.find("}", end) + 1
        if not end:
            return False
        if isinstance(parse(text[at:end]), Ref):
            return True
    return False
