"""Whether the steps of a workflow fit each other and the tools: references, types, conditions, circles.

Everything here is done before anything runs. What cannot be known yet, such as the result of a tool that says
nothing about it, is left to the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from agentrt.workflows.conditions import Comparison, Operand
from agentrt.workflows.effects import effect_of_step
from agentrt.workflows.errors import Problem, nearest
from agentrt.workflows.inference import Inference
from agentrt.workflows.inputs import signature_of
from agentrt.workflows.schema import (
    RESERVED,
    AskStep,
    CallStep,
    ConverseStep,
    PlanStep,
    RetrieveStep,
    RunStep,
)
from agentrt.workflows.step import Step, Use
from agentrt.workflows.tree import Key, Node
from agentrt.workflows.types import (
    ANY,
    TEXT,
    NoSuchPart,
    Type,
    describe,
    kinds,
    list_of,
    mismatch,
    of_literal,
    part,
)
from executor import Ref, Signature, Tool, Toolset
from executor.plan import find_cycle

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow

_PLACE = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_NAMED = re.compile(r"(?:there is no argument |argument )'([^']+)'")


def problems_of(workflow: Workflow, tools: Toolset | None) -> list[Problem]:
    """Everything that is wrong with a workflow that could be read, in the order of its file.

    Args:
        workflow: the nested ones are looked at by themselves.
        tools: what `call` and `plan` may use; None to leave everything about tools out.
    """
    return _Checker(workflow, tools).all()


class _Checker:
    def __init__(self, workflow: Workflow, tools: Toolset | None) -> None:
        self.workflow = workflow
        self.steps = workflow.steps
        self.tools = tools
        self.found: list[Problem] = []
        self.types = Inference(workflow, tools)

    def all(self) -> list[Problem]:
        names = set(self.workflow.names)
        for step in self.steps.values():
            signature = self._signature(step)
            if signature is not None:
                self._arguments(step, signature)
            self._kind(step)
            for use in step.uses:
                self._use(step, use, signature, names)
            if step.when is not None:
                for comparison in step.when.comparisons:
                    self._comparison(step, comparison)
        for use in self.workflow.output_uses:
            self._use(None, use, None, names)
        if cycle := find_cycle(self.steps, lambda name: [n for n in self.steps[name].needs if n in self.steps]):
            self._circle(cycle)
        return sorted(self.found, key=lambda problem: (problem.line, problem.column))

    def problem(self, offset: int, message: str, hint: str = "") -> None:
        self.found.append(self.workflow.source.problem(offset, message, hint))

    # What steps are called with.

    def _signature(self, step: Step) -> Signature | None:
        if isinstance(step.spec, RunStep):
            nested = self.workflow.nested.get(step.spec.run)
            return None if nested is None else signature_of(nested.inputs)
        if isinstance(step.spec, CallStep):
            tool = self._tool(step, step.spec.call, step.node.at(["call"]))
            return None if tool is None else tool.signature
        if isinstance(step.spec, RetrieveStep):
            tool = self._tool(step, step.spec.graph, step.node.at(["graph"]))
            return None if tool is None else tool.signature
        return None

    def _tool(self, step: Step, name: str, node: Node) -> Tool | None:
        if self.tools is None:
            return None
        tool = self.tools.get(name)
        if tool is None:
            self.problem(node.start, f"step {step.id}: there is no tool called {name!r}", nearest(name, [*self.tools]))
        return tool

    def _arguments(self, step: Step, signature: Signature) -> None:
        given = step.node.at(["with"])
        whole = given if given is not step.node else step.node.at([step.kind])
        for sentence in signature.check(step.args):
            message, _, hint = sentence.partition("; ")
            named = _NAMED.match(sentence)
            if named is not None:
                offset = whole.key_at([named[1]]) if named[1] in whole.keys else whole.start
                missing = message.endswith("is missing")
                if missing and not step.complete:
                    continue
                hint = hint or (f"add `{named[1]}:` under `with`" if missing else "")
                self.problem(offset, f"step {step.id}: {message}", hint)
            else:
                self.problem(whole.at(_path_of(sentence)).start, f"step {step.id}: {message}", hint)

    def _kind(self, step: Step) -> None:
        spec = step.spec
        if isinstance(spec, PlanStep) and spec.tools is not None:
            for index, name in enumerate(spec.tools):
                self._tool(step, name, step.node.at(["tools", index]))
        elif isinstance(spec, ConverseStep):
            self._conversation(step, spec)
        elif isinstance(spec, AskStep) and spec.schema_ is not None:
            self._schema(step, spec.schema_)
        if spec.retry is not None and self.tools is not None and self._runs_once(step):
            hint = "remove `retry`, or declare the tool `idempotent` or `pure` if repeating it is safe"
            message = f"step {step.id} calls a tool that must run once, so it is not called again by itself"
            self.problem(step.node.key_at(["retry"]), message, hint)

    def _runs_once(self, step: Step) -> bool:
        assert self.tools is not None
        # What does not exist has been told.
        known = not isinstance(step.spec, CallStep) or step.spec.call in self.tools
        known = known and (not isinstance(step.spec, RunStep) or step.spec.run in self.workflow.nested)
        return known and effect_of_step(self.workflow, step, self.tools) == "once"

    def _schema(self, step: Step, schema: Mapping[str, Any]) -> None:
        known = {"string", "integer", "number", "boolean", "array", "object", "null"}
        declared = schema.get("type")
        for name in [declared] if isinstance(declared, str) else cast(Sequence[object], declared or ()):
            if name not in known:
                place = step.node.at(["schema", "type"]).start
                self.problem(place, f"step {step.id}: there is no type {name!r}", nearest(str(name), sorted(known)))

    def _conversation(self, step: Step, spec: ConverseStep) -> None:
        from multiagent import FORMATS

        if spec.format not in FORMATS:
            place = step.node.at(["format"]).start
            self.problem(place, f"step {step.id}: there is no format {spec.format!r}", nearest(spec.format, [*FORMATS]))
        if spec.protocol == "exchange" and not spec.contexts:
            hint = "add `contexts: [...]`, or take another protocol"
            self.problem(step.node.at(["protocol"]).start, f"step {step.id}: an exchange needs contexts", hint)

    # References.

    def _use(self, step: Step | None, use: Use, signature: Signature | None, names: set[str]) -> None:
        where = f"step {step.id}" if step is not None else "the output"
        place = self.workflow.place_of(use)
        ref = use.ref
        if ref.task not in RESERVED:
            if ref.task not in names:
                inputs = self.workflow.inputs
                hint = f"an input is ${{inputs.{ref.task}}}" if ref.task in inputs else nearest(ref.task, sorted(names))
                self.problem(place, f"{where}: there is no step {ref.task!r}", hint)
                return
            if step is not None and ref.task == step.id:
                self.problem(place, f"{where} refers to its own result", "refer to a step that runs before it")
                return
        elif ref.task == "item" and not self._item_allowed(step, use, place, where):
            return
        try:
            given = self.types.type_at(step, ref)
        except NoSuchPart as trouble:
            about = f"input {ref.path[0]}" if ref.task == "inputs" and ref.path else ref.task
            self.problem(place, f"{where}: {ref} does not exist: {about}: {trouble}", trouble.hint)
            return
        if use.where == "items" and not use.path and (known := kinds(given)) is not None and "array" not in known:
            self.problem(place, f"{where}: foreach needs a list, and {ref} is {describe(given)}")
        if use.whole and use.where == "argument" and step is not None:
            wanted = self._wanted(step, use.path, signature)
            if why := mismatch(given, wanted):
                name = ".".join(str(key) for key in use.path)
                self.problem(place, f"{where}: {ref} does not fit {name}: {why}", self._conversion(given, wanted, ref))

    def _item_allowed(self, step: Step | None, use: Use, place: int, where: str) -> bool:
        if step is not None and step.foreach is not None and use.where == "argument":
            return True
        hint = "add `foreach:`" if use.where == "argument" else "it stands for the element inside a step's arguments"
        self.problem(place, f"{where}: ${{item}} means nothing here", hint)
        return False

    def _wanted(self, step: Step, path: Sequence[Key], signature: Signature | None) -> Type:
        if step.kind == "converse" and path == ("contexts",):
            return list_of(TEXT)
        if signature is None or not path:
            return ANY
        parameter = next((one for one in signature.parameters if one.name == path[0]), None)
        if parameter is None:
            return ANY
        try:
            return part(Type(parameter.schema, signature.definitions), path[1:])
        except NoSuchPart:  # told by the check of the arguments
            return ANY

    def _conversion(self, given: Type, wanted: Type, ref: Ref) -> str:
        have, want = kinds(given), kinds(wanted)
        if have == frozenset({"array"}) and want is not None and "array" not in want:
            return f'use foreach: "{ref}" and ${{item}}, or take one item: {str(ref)[:-1]}[0]}}'
        if have == frozenset({"object"}) and (fields := given.schema.get("properties")):
            return f"take a field of it: {', '.join(fields)}"
        return ""

    # Conditions.

    def _comparison(self, step: Step, comparison: Comparison) -> None:
        left, op, right = comparison
        text = cast(str, step.node.at(["when"]).value)
        place = self.workflow.inside(step.node.at(["when"]), str(text), left.offset)
        try:
            mine = self._operand(step, left)
            other = self._operand(step, right) if right is not None else ANY
        except NoSuchPart:  # told already
            return
        have, want = kinds(mine), kinds(other)
        where = f"step {step.id}"
        if op is None:
            if have is not None and "boolean" not in have:
                message = f"{where}: {_shown(left)} is {describe(mine)}, which is neither true nor false"
                self.problem(place, message, f"compare it, as in {_shown(left)} != null")
            return
        # Whether a part is there at all is what one asks with null.
        if have is None or want is None or frozenset({"null"}) in (have, want):
            return
        if op in ("in", "not in"):
            if not want & {"array", "string", "object"}:
                self.problem(place, f"{where}: `{op}` looks in a list or a text, not in {describe(other)}")
            return
        numbers = {"integer", "number"}
        if have & want or (have & numbers and want & numbers):
            if op in ("==", "!=") or have & numbers or "string" in have & want:
                return
            self.problem(place, f"{where}: {describe(mine)} has no order", "compare with == or !=")
            return
        assert right is not None
        message = f"{where}: {_shown(left)} is {describe(mine)} and {_shown(right)} is {describe(other)}"
        self.problem(place, f"{message}: they are never equal", _literal_hint(have, right))

    def _operand(self, step: Step, operand: Operand) -> Type:
        value = operand.value
        if isinstance(value, Ref):
            if value.task not in RESERVED and value.task not in self.steps:
                raise NoSuchPart("no such step")
            return self.types.type_at(step, value)
        if isinstance(value, list):
            items = cast(list[object], value)
            return Type({"type": "array"}) if any(isinstance(item, Ref) for item in items) else of_literal(items)
        return of_literal(value)

    def _circle(self, cycle: Sequence[str]) -> None:
        if len(set(cycle)) == 1:  # told where it refers to itself
            return
        use = next((use for use in self.steps[cycle[0]].uses if use.ref.task == cycle[1]), None)
        step = self.steps[cycle[0]]
        offset = self.workflow.place_of(use) if use is not None else step.node.key_at(["after"])
        hint = "a step may only use steps that do not need it; take one of the references out"
        self.problem(offset, f"steps wait for each other in a circle: {' -> '.join(cycle)}", hint)


def _path_of(sentence: str) -> list[Key]:
    head = re.match(r"[\w-]+", sentence)
    if head is None:
        return []
    path: list[Key] = [head[0]]
    at = head.end()
    while found := _PLACE.match(sentence, at):
        path.append(found[1] if found[1] is not None else int(found[2]))
        at = found.end()
    return path


def _shown(operand: Operand) -> str:
    if isinstance(operand.value, Ref):
        return str(operand.value)
    if operand.value is None or isinstance(operand.value, bool):
        return str(operand.value).lower().replace("none", "null")
    return repr(operand.value)


def _literal_hint(have: frozenset[str], right: Operand) -> str:
    if isinstance(right.value, str) and "boolean" in have and right.value in ("true", "false"):
        return f"write {right.value} without quotes"
    if isinstance(right.value, str) and have & {"integer", "number"} and right.value.strip("0123456789.-") == "":
        return f"write {right.value} without quotes"
    if isinstance(right.value, int | float | bool) and "string" in have:
        return f"write '{_shown(right)}' in quotes"
    return ""
