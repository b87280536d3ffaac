"""Where a task's arguments come from.

What a tool returns is somebody else's text until the tool says otherwise (`trusted`). Whatever rests on it is tainted:
through references, and, in a plan that was written after reading earlier results, also where it has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from executor.plan import Task
from executor.refs import references
from executor.settings import ITEM
from executor.tool import Tool


def origins(
    task: Task, tasks: Mapping[str, Task], tools: Mapping[str, Tool], earlier: Collection[str] = ()
) -> tuple[tuple[str, ...], ...]:
    """The shortest chain of task ids from each untrusted result to `task`; empty where there is none.

    Args:
        task: whose arguments are looked at.
        tasks: its plan, by id.
        tools: the tools, which say whether their results are trusted.
        earlier: ids of earlier plans' tasks whose results the plan's writer has read.

    Returns:
        Chains from source to `task`, nearest source first. Linear in tasks and references.
    """
    chains: list[tuple[str, ...]] = []
    seen = {task.id}
    # Breadth first, so that the first way found to a source is a shortest one.
    level: list[tuple[str, ...]] = [(task.id,)]
    while level:
        following: list[tuple[str, ...]] = []
        for chain in level:
            at = tasks.get(chain[0]) if chain[0] != task.id else task
            for name in dict.fromkeys(_used(at)) if at is not None else ():
                if name in seen:
                    continue
                seen.add(name)
                source = tasks.get(name)
                tool = None if source is None else tools.get(source.call)
                if tool is not None and tool.trusted:
                    following.append((name, *chain))
                elif name in earlier or source is not None:
                    chains.append((name, *chain))
        level = following
    if not chains:
        return tuple((name, task.id) for name in earlier)
    return tuple(chains)


def _used(task: Task) -> list[str]:
    """Ids whose results `task`'s call uses; waiting for a task does not taint."""
    found = [ref.task for value in task.args.values() for ref, _ in references(value) if ref.task != ITEM]
    if task.foreach is not None:
        found += [ref.task for ref, _ in references(task.foreach.items)]
    return found
