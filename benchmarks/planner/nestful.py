"""NESTFUL's questions (IBM/NESTFUL, Apache-2.0): tool specifications, gold plans and their defects, and scores."""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor import Parameter, Plan, PlanError, Ref, Signature, Task, Text, Tool, Toolset

DATA = Path(os.environ.get("AGENTRT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "planning"
SETS = ("nestful_executable", "nestful_non_executable_glaive", "nestful_non_executable_sgd")
# Their specifications name types in many ways.
_KINDS = {
    **{name: name for name in ("string", "integer", "number", "boolean", "object", "array")},
    "float": "number",
    "int": "integer",
    "str": "string",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
_PARAMETERS = ("path_parameters", "query_parameters", "parameters", "arguments")
_REFERENCE = re.compile(r"\$var(\d+)(?:\.([^$]+))?\$")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class Question:
    """A question, the calls that answer it, and what is wrong with them, if anything."""

    text: str
    source: str
    gold: tuple[Task, ...]
    defect: str = ""


def tools_of(source: str) -> Toolset:
    """The tools of one of `SETS`, with the types, choices and result fields their specification gives."""
    found: dict[str, Tool] = {}
    for spec in json.loads((DATA / f"{source}_tools.json").read_text(encoding="utf-8")):
        parameters: dict[str, Any] = {}
        for key in _PARAMETERS:
            parameters |= spec.get(key) or {}
        fields = {name: _schema(part) for name, part in (spec.get("output_parameters") or {}).items()}
        found[spec["name"]] = Tool(
            name=spec["name"],
            function=_never,
            description=spec.get("description", ""),
            signature=Signature(
                Parameter(name, _schema(part), bool(part.get("required"))) for name, part in parameters.items()
            ),
            returns={"type": "object", "properties": fields} if fields else None,
            effect="pure",
        )
    return Toolset(found.values())


def questions_of(source: str, tools: Toolset) -> list[Question]:
    """The questions of one of `SETS`."""
    found: list[Question] = []
    for item in json.loads((DATA / f"{source}.json").read_text(encoding="utf-8")):
        gold = tuple(
            Task(call["label"].removeprefix("var"), call["name"], {k: _value(v) for k, v in call["arguments"].items()})
            for call in item["output"]
            if call["name"] != "var_result"
        )
        found.append(Question(item["input"], source, gold, _defect(gold, tools)))
    return found


def around(question: Question, tools: Toolset, distractors: int) -> Toolset:
    """The tools of the gold plan and as many others, in an order that tells nothing."""
    needed = {task.call for task in question.gold}
    chance = random.Random(question.text)
    others = chance.sample([name for name in tools if name not in needed], min(distractors, len(tools) - len(needed)))
    names = [name for name in [*needed, *others] if name in tools]
    return Toolset(tools[name] for name in chance.sample(sorted(names), len(names)))


@dataclass(frozen=True)
class Score:
    """How near a plan is to the gold plan, each from 0 to 1.

    Attributes:
        tools: F1 of the tools called, each as often as it is.
        edges: F1 of (tool, argument, tool whose result it is).
        arguments: share of the gold arguments that are there with exactly their value.
        whole: 1 when all calls with all their arguments are the same.
    """

    tools: float
    edges: float
    arguments: float
    whole: float


def score(plan: Sequence[Task], gold: Sequence[Task]) -> Score:
    """Compares two plans; the numbers of their lines do not matter."""
    arguments, wanted = _arguments(plan), _arguments(gold)
    return Score(
        _f1(Counter(task.call for task in plan), Counter(task.call for task in gold)),
        _f1(_edges(plan), _edges(gold)),
        sum((arguments & wanted).values()) / max(1, wanted.total()) if wanted else float(not arguments),
        float(_calls(plan) == _calls(gold)),
    )


async def _never(**_: object) -> None:
    raise AssertionError("these tools are only planned with")


def _schema(part: object) -> dict[str, Any]:
    if not isinstance(part, Mapping):  # a few specifications have a bare text where a schema belongs
        return {}
    schema = {key: part[key] for key in ("type", "enum", "items", "properties") if part.get(key)}
    if kind := _KINDS.get(str(schema.pop("type", "")).lower()):
        schema["type"] = kind
    if choices := part.get("allowed_values") or part.get("possible_values"):
        schema["enum"] = choices
    if "properties" in schema:
        schema["properties"] = {name: _schema(inner) for name, inner in schema["properties"].items()}
    if part.get("description"):
        schema["description"] = part["description"]
    return schema


def _value(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {key: _value(item) for key, item in value.items()}
    return [_value(item) for item in value] if isinstance(value, list) else value


def _text(value: str) -> str | Ref | Text:
    """`$var1.rates[0]$`, alone or inside a text, where one is."""
    if match := _REFERENCE.fullmatch(value):
        return _reference(match)
    parts: list[str | Ref] = []
    end = 0
    for match in _REFERENCE.finditer(value):
        parts += [value[end : match.start()], _reference(match)]
        end = match.end()
    return Text(tuple(part for part in (*parts, value[end:]) if part)) if parts else value


def _reference(match: re.Match[str]) -> Ref:
    return Ref(match[1], tuple(int(index) if index else name for index, name in _STEP.findall(match[2] or "")))


def _defect(gold: Sequence[Task], tools: Toolset) -> str:
    try:
        Plan(gold)
    except PlanError as error:
        return type(error).__name__
    return "" if all(task.call in tools for task in gold) else "UnknownTool"


def _edges(plan: Sequence[Task]) -> Counter[str]:
    calls = {task.id: task.call for task in plan}
    return Counter(
        f"{task.call} {name} {calls.get(ref.task)}"
        for task in plan
        for name, value in task.args.items()
        for ref in _references(value)
    )


def _references(value: object) -> list[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, Text):
        return [part for part in value.parts if isinstance(part, Ref)]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in _references(item)]
    return [ref for item in value for ref in _references(item)] if isinstance(value, list) else []


def _arguments(plan: Sequence[Task]) -> Counter[str]:
    calls = {task.id: task.call for task in plan}
    return Counter(f"{task.call} {name} {_plain(value, calls)}" for task in plan for name, value in task.args.items())


def _calls(plan: Sequence[Task]) -> Counter[str]:
    calls = {task.id: task.call for task in plan}
    return Counter(
        f"{task.call} {sorted((name, _plain(value, calls)) for name, value in task.args.items())}" for task in plan
    )


def _plain(value: object, calls: Mapping[str, str]) -> str:
    """A value as text; a reference names the tool, not the line. 5 and "5" are the same to these specifications."""
    if isinstance(value, Ref):
        return f"<{calls.get(value.task)} {value.path}>"
    if isinstance(value, Text):
        return "".join(part if isinstance(part, str) else _plain(part, calls) for part in value.parts)
    if isinstance(value, Mapping):
        return str({key: _plain(item, calls) for key, item in value.items()})
    if isinstance(value, list):
        return str([_plain(item, calls) for item in value])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _f1(found: Counter[str], wanted: Counter[str]) -> float:
    if not found and not wanted:
        return 1.0
    return 2 * (found & wanted).total() / (found.total() + wanted.total())
