"""A workflow and its inputs into the plan that the executor runs: one task for each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from agentrt.workflows.errors import InvalidInputs
from agentrt.workflows.schema import FIRST_OF, CallStep, RetrieveStep, RetrySpec, RunStep, StepSpec
from agentrt.workflows.step import Step
from executor import (
    All,
    AnyOf,
    Compare,
    Condition,
    ForEach,
    Not,
    Plan,
    Ref,
    Retry,
    Task,
    TaskOptions,
    Text,
    Truth,
    as_text,
)

if TYPE_CHECKING:
    from agentrt.workflows.workflow import Workflow

STEP_TOOLS = {kind: f"workflow.{kind}" for kind in ("ask", "plan", "converse")}
"""What the tools behind the kinds of step are called in plans and traces."""


def nested_name(name: str) -> str:
    """What the tool that runs the workflow `name` is called."""
    return f"workflow.run.{name}"


def to_plan(workflow: Workflow, inputs: Mapping[str, object]) -> Plan:
    """The plan of a workflow that was checked, its inputs filled in.

    Raises:
        InvalidInputs: an input has no such part as a step refers to.
    """
    try:
        return Plan(_task(step, inputs) for step in workflow.steps.values())
    except _NoSuchInput as error:
        raise InvalidInputs(workflow.name, [str(error)], "the workflow refers to it") from error


def _task(step: Step, inputs: Mapping[str, object]) -> Task:
    spec = step.spec
    args = cast("dict[str, object]", bind(step.args, inputs))
    match spec:
        case CallStep(call=call):
            pass
        case RetrieveStep(graph=call):
            pass
        case RunStep(run=name):
            call = nested_name(name)
        case _:
            call = STEP_TOOLS[step.kind]
    return Task(
        id=step.id,
        call=call,
        args=args,
        after=step.after,
        on_error=spec.on_error,
        thought=spec.description,
        foreach=None
        if step.foreach is None
        else ForEach(
            bind(step.items, inputs),
            concurrency=step.foreach.concurrency,
            on_error=step.foreach.on_error,
            max_items=step.foreach.max_items,
        ),
        when=None if step.when is None else _bind_condition(step.when.condition, inputs),
        options=_options(spec, bind(step.approve, inputs)),
    )


def _options(spec: StepSpec, approve: object) -> TaskOptions | None:
    retry = None
    if isinstance(spec.retry, RetrySpec):
        retry = Retry.from_json(spec.retry.model_dump())
    elif spec.retry is not None:
        retry = replace(Retry.from_json(RetrySpec().model_dump()), attempts=spec.retry)
    asked = approve if approve is None or isinstance(approve, bool) else as_text(approve)
    options = TaskOptions(approve=asked, timeout=spec.timeout, retry=retry, cache=spec.cache)
    return None if options == TaskOptions() else options


class _NoSuchInput(LookupError):
    pass


def bind(value: object, inputs: Mapping[str, object]) -> object:
    """`value` with every reference to an input replaced by the input's value. Values are data: nothing in them is read.

    Raises:
        LookupError: an input has no such part.
    """
    if isinstance(value, Ref):
        return _input(value, inputs) if value.task == "inputs" else value
    if isinstance(value, Text):
        parts: list[str | Ref] = []
        for part in value.parts:
            if isinstance(part, Ref) and part.task == "inputs":
                part = as_text(_input(part, inputs))
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else Text(tuple(parts))
    if isinstance(value, Mapping):
        return {key: bind(item, inputs) for key, item in cast(Mapping[str, object], value).items()}
    if isinstance(value, list):
        return [bind(item, inputs) for item in cast(list[object], value)]
    return value


def _input(ref: Ref, inputs: Mapping[str, object]) -> object:
    try:
        return ref.follow({"inputs": inputs}["inputs"])
    except LookupError as error:
        raise _NoSuchInput(f"{ref}: {error}") from error


def _bind_condition(condition: Condition, inputs: Mapping[str, object]) -> Condition:
    match condition:
        case Compare(left, op, right):
            return Compare(bind(left, inputs), op, bind(right, inputs))
        case Truth(value):
            return Truth(bind(value, inputs))
        case Not(inner):
            return Not(_bind_condition(inner, inputs))
        case All(conditions):
            return All(tuple(_bind_condition(inner, inputs) for inner in conditions))
        case AnyOf(conditions):
            return AnyOf(tuple(_bind_condition(inner, inputs) for inner in conditions))


def bind_output(output: object, inputs: Mapping[str, object], results: Mapping[str, object]) -> object:
    """The output of a run. A step without a value, and a part that a value does not have, is null."""
    if isinstance(output, Ref):
        whole = {"inputs": inputs, **results}
        try:
            return output.follow(whole[output.task])
        except LookupError:
            return None
    if isinstance(output, Text):
        parts = [part if isinstance(part, str) else bind_output(part, inputs, results) for part in output.parts]
        return "".join("" if part is None else as_text(part) for part in parts)
    if isinstance(output, Mapping):
        fields = cast(Mapping[str, object], output)
        if [*fields] == [FIRST_OF] and isinstance(fields[FIRST_OF], list):
            options = (bind_output(item, inputs, results) for item in cast(list[object], fields[FIRST_OF]))
            return next((option for option in options if option is not None), None)
        return {name: bind_output(item, inputs, results) for name, item in fields.items()}
    if isinstance(output, list):
        return [bind_output(item, inputs, results) for item in cast(list[object], output)]
    return output
