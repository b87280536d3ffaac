"""Similar calls of a tool with a batch form become one call (Singh et al. 2024, arXiv 2405.17438)."""

from __future__ import annotations

import json

from executor import Plan, Ref, Task, Toolset
from executor.refs import render_tree
from planner.passes.rewriting import Rewritten, fixed_ids, is_plain, pure_tool
from planner.rewrite import redirected


def fuse(plan: Plan, tools: Toolset) -> Rewritten:
    """The plan with one batch call for all calls of a tool that differ in one argument and wait for the same tasks.

    Waiting for the same, none of them can need another, and none begins later than it would have. If the batch call
    fails, all of them have failed.
    """
    fixed = fixed_ids(plan)
    groups: dict[str, list[Task]] = {}
    for task in plan:
        tool = pure_tool(task, tools)
        batch = tool.batch if tool else None
        if batch is None or not is_plain(task) or task.id in fixed or batch.of not in task.args:
            continue
        if pure_tool(Task("batch", batch.tool), tools) is None:
            continue
        others = {name: render_tree(value) for name, value in task.args.items() if name != batch.of}
        key = json.dumps([task.call, others, sorted(plan.waits_for(task))], sort_keys=True)
        groups.setdefault(key, []).append(task)
    fused: dict[str, Task] = {}
    moved: dict[str, Ref] = {}
    notes: list[str] = []
    for group in groups.values():
        batch = tools[group[0].call].batch
        if batch is None or len(group) < 2:
            continue
        first = group[0]
        shared = {name: value for name, value in first.args.items() if name != batch.of}
        args = {batch.parameter: [task.args[batch.of] for task in group], **shared}
        fused[first.id] = Task(first.id, batch.tool, args, thought=first.thought)
        moved |= {task.id: Ref(first.id, (at,)) for at, task in enumerate(group)}
        notes.append(f"tasks {', '.join(task.id for task in group)} became one call of {batch.tool}")
    if not fused:
        return Rewritten(plan)
    kept = (fused.get(task.id, task) for task in plan if task.id in fused or task.id not in moved)
    return Rewritten(Plan((redirected(task, moved) for task in kept), known=plan.known), moved, tuple(notes))
