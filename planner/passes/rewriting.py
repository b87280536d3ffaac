"""What passes share: plan in, plan out, and where the results went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from executor import Plan, Ref, Task, Tool, Toolset


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A plan after a pass.

    Attributes:
        plan: computes what the plan before computed.
        moved: for each task that is gone, where its result is now.
        notes: what was done, one sentence each.
    """

    plan: Plan
    moved: Mapping[str, Ref] = field(default_factory=dict[str, Ref])
    notes: tuple[str, ...] = ()


def is_plain(task: Task) -> bool:
    """Whether the task is one call and nothing else: no loop, condition, order or policy of its own."""
    return not (task.foreach or task.when or task.options or task.after or task.on_error)


def pure_tool(task: Task, tools: Toolset) -> Tool | None:
    """The task's tool, if its calls may be merged, moved or left out."""
    tool = tools.get(task.call)
    return tool if tool is not None and tool.effect == "pure" else None


def fixed_ids(plan: Plan) -> set[str]:
    """Ids that loops and conditions refer to; they must stay where they are."""
    return {need for task in plan if task.foreach or task.when for need in (*task.needs, *task.mentions)}


def in_order(plan: Plan) -> Iterator[Task]:
    """Each task after all it waits for; otherwise as written."""
    left = {task.id: len(plan.waits_for(task)) for task in plan}
    dependents: dict[str, list[str]] = {}
    for task in plan:
        for need in plan.waits_for(task):
            dependents.setdefault(need, []).append(task.id)
    ready = [name for name, count in left.items() if not count]
    for name in ready:
        yield plan[name]
        for dependent in dependents.get(name, ()):
            left[dependent] -= 1
            if not left[dependent]:
                ready.append(dependent)


def call_key(task: Task) -> str:
    """Equal for equal calls: tool and arguments."""
    return json.dumps([task.call, task.to_json()["args"]], sort_keys=True)
