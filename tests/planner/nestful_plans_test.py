"""Real plans: the gold call graphs of NESTFUL, written as lines, streamed in awkward pieces, read back."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from executor import Parameter, Ref, Signature, Task, Tool, Toolset
from planner import PlanChecker, PlanProblem, PlanReader, as_lines

SAMPLE = Path(__file__).parent / "data" / "nestful_sample.json"
DATA = Path(os.environ.get("AGENTRT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "planning"
SETS = ("nestful_executable", "nestful_non_executable_glaive", "nestful_non_executable_sgd")
_REFERENCE = re.compile(r"\$var(\d+)(?:\.([\w.]+))?\$")


def as_tools(specs: list[dict[str, Any]]) -> Toolset:
    found: dict[str, Tool] = {}
    for spec in specs:
        parameters = spec.get("parameters") or spec.get("query_parameters") or spec.get("arguments") or {}
        # The gold arguments do not always have the type that the specification gives; the names are what is checked.
        signature = Signature((Parameter(name, {}, False) for name in parameters), open=True)
        found[spec["name"]] = Tool(name=spec["name"], function=print, signature=signature)
    return Toolset(found.values())


def as_tasks(calls: list[dict[str, Any]]) -> list[Task]:
    return [
        Task(str(index), call["name"], {key: convert(value) for key, value in call["arguments"].items()})
        for index, call in enumerate(calls, start=1)
        if call["name"] != "var_result"
    ]


def convert(value: object) -> object:
    if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        return Ref(match[1], tuple(match[2].split(".")) if match[2] else ())
    if isinstance(value, Mapping):
        return {key: convert(item) for key, item in value.items()}
    if isinstance(value, list):
        return [convert(item) for item in value]
    return value


def check(plans: list[dict[str, Any]], tools: Toolset) -> int:
    chance = random.Random(7)
    read = 0
    for number, plan in enumerate(plans):
        written = as_tasks(plan["output"])
        ids = {task.id for task in written}
        unsound = any(task.call not in tools or not ids.issuperset(task.needs) for task in written)
        text = as_lines(written, tools) + f"\n{len(written) + 1}. join()"
        reader = PlanReader(PlanChecker(tools))
        items = []
        at = 0
        while at < len(text):
            size = chance.choice([1, 2, 3, 5, 40])
            items += reader.feed(text[at : at + size])
            at += size
        items += reader.close()
        problems = [item for item in items if isinstance(item, PlanProblem)]
        assert bool(problems) == unsound, f"plan {number}: {problems}"
        if not problems:
            assert sorted((task for task in items if isinstance(task, Task)), key=lambda task: int(task.id)) == written
            read += 1
    return read


def test_the_sample() -> None:
    sample = json.loads(SAMPLE.read_text())
    assert check(sample["plans"], as_tools(sample["tools"])) == 6, "one of the seven calls a tool without specification"


@pytest.mark.parametrize("name", SETS)
def test_every_gold_plan(name: str) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the NESTFUL plans are not at {DATA}; set AGENTRT_DATA")
    plans = json.loads((DATA / f"{name}.json").read_text())
    tools = as_tools(json.loads((DATA / f"{name}_tools.json").read_text()))
    # Some gold plans refer to nothing, or call what has no specification; the reader must say so, and of no other.
    assert check(plans, tools) >= 0.9 * len(plans)
