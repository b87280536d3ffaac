"""`pure` calls whose results nobody uses are not made."""

from __future__ import annotations

from collections.abc import Iterable

from executor import Plan, Toolset
from planner.passes.rewriting import Rewritten, pure_tool


def prune(plan: Plan, tools: Toolset, reads: Iterable[str] | None = None) -> Rewritten:
    """The plan without calls that lead to nothing.

    Args:
        plan: to be pruned.
        tools: what it calls; only `pure` calls are left out.
        reads: ids whose results are read afterwards. None for all of them: then nothing is left out.
    """
    if reads is None:
        return Rewritten(plan)
    needed = [name for name in reads if name in plan]
    needed += [task.id for task in plan if pure_tool(task, tools) is None]
    kept: set[str] = set()
    while needed:
        name = needed.pop()
        if name not in kept:
            kept.add(name)
            needed.extend(plan.waits_for(plan[name]))
    dropped = [task.id for task in plan if task.id not in kept]
    if not dropped:
        return Rewritten(plan)
    left = Plan((task for task in plan if task.id in kept), known=plan.known)
    return Rewritten(left, {}, tuple(f"nobody reads the result of task {name}" for name in dropped))
