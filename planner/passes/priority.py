"""Where places for calls are short, the longest way to the end goes first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from executor import Plan, Task, Toolset
from planner.passes.rewriting import Rewritten, in_order


def prioritise(plan: Plan, tools: Toolset, seconds: Mapping[str, float] | None = None) -> Rewritten:
    """The same tasks, in an order in which each follows its needs and long remaining paths come first.

    Executors start ready tasks in the order of the plan. With a limit on calls at the same time that order decides
    how long the whole takes; without one it changes nothing.

    Args:
        plan: to be ordered.
        tools: what it calls.
        seconds: how long a call of a tool takes; 1 where it is not known.
    """
    takes = seconds or {}
    path: dict[str, float] = {}
    dependents: dict[str, list[str]] = {}
    for task in plan:
        for need in plan.waits_for(task):
            dependents.setdefault(need, []).append(task.id)
    for task in reversed(list(in_order(plan))):
        path[task.id] = takes.get(task.call, 1.0) + max((path[name] for name in dependents.get(task.id, ())), default=0)
    written = {task.id: at for at, task in enumerate(plan)}
    left = {task.id: len(plan.waits_for(task)) for task in plan}
    ready = [(-path[name], written[name], name) for name, count in left.items() if not count]
    heapq.heapify(ready)
    ordered: list[Task] = []
    while ready:
        name = heapq.heappop(ready)[2]
        ordered.append(plan[name])
        for dependent in dependents.get(name, ()):
            left[dependent] -= 1
            if not left[dependent]:
                heapq.heappush(ready, (-path[dependent], written[dependent], dependent))
    if [task.id for task in ordered] == list(written):
        return Rewritten(plan)
    note = f"tasks are started in the order {', '.join(task.id for task in ordered)}"
    return Rewritten(Plan(ordered, known=plan.known), {}, (note,))
