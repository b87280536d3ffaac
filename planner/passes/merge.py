"""Identical `pure` calls are made once."""

from __future__ import annotations

from collections.abc import Collection

from executor import Plan, Ref, Task, Toolset
from planner.passes.rewriting import Rewritten, call_key, fixed_ids, in_order, is_plain, pure_tool
from planner.rewrite import redirected


class Merge:
    """Merges calls while the plan is being written.

    Args:
        tools: what plans call.
        fixed: ids that stay whatever they call.

    Attributes:
        moved: for each merged task, the one that has its result.
    """

    def __init__(self, tools: Toolset, fixed: Collection[str] = ()) -> None:
        self.moved: dict[str, Ref] = {}
        self._tools = tools
        self._fixed = fixed
        self._seen: dict[str, str] = {}

    def take(self, task: Task) -> Task | str:
        """`task` as it should run, or the id of the task that makes the same call. Tasks come after their needs."""
        task = redirected(task, self.moved)
        if task.id in self._fixed or not is_plain(task) or pure_tool(task, self._tools) is None:
            return task
        earlier = self._seen.setdefault(call_key(task), task.id)
        if earlier == task.id:
            return task
        self.moved[task.id] = Ref(earlier)
        return earlier


def merge(plan: Plan, tools: Toolset) -> Rewritten:
    """The plan with each `pure` call once."""
    merging = Merge(tools, fixed_ids(plan))
    kept: list[Task] = []
    notes: list[str] = []
    for task in in_order(plan):
        taken = merging.take(task)
        if isinstance(taken, str):
            notes.append(f"task {task.id} makes the same call as {taken}")
        else:
            kept.append(taken)
    return Rewritten(Plan(kept, known=plan.known), merging.moved, tuple(notes)) if notes else Rewritten(plan)
