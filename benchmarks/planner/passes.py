"""What each pass saves on NESTFUL's and the Movie questions' plans: calls, simulated seconds, what the joiner reads."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from statistics import fmean

from benchmarks.planner.nestful import SETS, questions_of, tools_of
from benchmarks.planner.replay import movie_plans
from benchmarks.report import Report
from executor import Batch, Finished, Parameter, Plan, Signature, Task, Tool, Toolset
from planner.passes import PASSES, Pipeline
from planner.rounds import Round, transcript

PLACES = 2
MOST_TASKS = 64


def passes(report: Report) -> None:
    """Adds a table: every pass by itself, and all of them."""
    nestful = [
        (Plan(question.gold), tools_of(source))
        for source in SETS
        for question in questions_of(source, tools_of(source))
        if not question.defect
    ]
    films = _films()
    movies = [(Plan(tasks), films) for tasks in movie_plans()]
    written = [(_as_small_models_write(plan, seed), tools) for seed, (plan, tools) in enumerate(nestful)]
    rows: list[list[str | int | float | None]] = []
    for label, plans in (("NESTFUL gold", nestful), ("NESTFUL, repeated", written), ("Movie", movies)):
        before = [_measured(plan, tools) for plan, tools in plans]
        for name, names in [*((name, [name]) for name in PASSES), ("all", [*PASSES])]:
            after = [_after(plan, tools, names) for plan, tools in plans]
            rows += [[label, name, *_saved(before, after)]]
    columns = ["plans", "pass", "calls saved %", "seconds saved %", "characters for the joiner saved %"]
    report.table("Passes", columns, rows)
    report.note(
        f"Passes: simulated calls of log-normal time (median 0.5 s, a batch call as long as its longest part), "
        f"{PLACES} at a time. NESTFUL's tools count as pure here. 'Repeated' is the gold plan with one call in three "
        "written twice, as small models do. What is read is what the last tasks give. Characters of the results are "
        "those of results of 200 characters each."
    )


def _films() -> Toolset:
    async def nothing(**_: object) -> None:
        return None

    film = Tool(
        name="film",
        function=nothing,
        signature=Signature([Parameter("title")]),
        effect="pure",
        batch=Batch("films", parameter="titles", of="title"),
    )
    films = Tool(name="films", function=nothing, signature=Signature([Parameter("titles")]), effect="pure")
    return Toolset([film, films])


def _as_small_models_write(plan: Plan, seed: int) -> Plan:
    chance = random.Random(seed)
    tasks: list[Task] = []
    for task in plan:
        tasks.append(task)
        if chance.random() < 1 / 3:
            tasks.append(Task(f"{task.id}9", task.call, task.args))
    return Plan(tasks)


def _after(plan: Plan, tools: Toolset, names: Sequence[str]) -> tuple[int, float, int]:
    dependents = {need for task in plan for need in plan.waits_for(task)}
    read = [task.id for task in plan if task.id not in dependents]
    return _measured(Pipeline(tools, names).apply(plan, reads=read).plan, tools)


def _measured(plan: Plan, tools: Toolset) -> tuple[int, float, int]:
    shown = Round(plan, {task.id: Finished(_result(task), 0, 1) for task in plan})
    return len(plan), _makespan(plan), len(transcript([shown], tools, budget=200 * MOST_TASKS))


def _result(task: Task) -> str:
    return "x" * 200 * max([1, *(len(value) for value in task.args.values() if isinstance(value, list))])


def _seconds(task: Task) -> float:
    lists = [value for value in task.args.values() if isinstance(value, list) and task.call == "films"]
    if lists:
        return max(_one(f"film {title}") for title in lists[0])
    return _one(f"{task.call} {next(iter(task.args.values()), '')}")


def _one(text: str) -> float:
    return 0.5 * math.exp(random.Random(text).gauss(0, 0.5))


def _makespan(plan: Plan) -> float:
    """Seconds with `PLACES` calls at a time, ready tasks in the order in which they became ready."""
    left = {task.id: len(plan.waits_for(task)) for task in plan}
    ready = [task.id for task in plan if not left[task.id]]
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < PLACES:
            name = ready.pop(0)
            heapq.heappush(running, (now + _seconds(plan[name]), name))
        now, ended = heapq.heappop(running)
        for task in plan:
            if ended in plan.waits_for(task):
                left[task.id] -= 1
                if not left[task.id]:
                    ready.append(task.id)
    return now


def _saved(before: Sequence[tuple[float, ...]], after: Sequence[tuple[float, ...]]) -> list[float]:
    return [
        round(100 * (1 - fmean(item[at] for item in after) / fmean(item[at] for item in before)), 1) for at in range(3)
    ]
