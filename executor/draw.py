"""A plan as a picture: text that Mermaid or Graphviz draws. Names and arguments are data and are escaped."""

from __future__ import annotations

import json
from collections.abc import Iterator

from executor.plan import Plan, Task
from executor.refs import references, render_tree

_MERMAID_ESCAPES = {ord(char): f"#{ord(char)};" for char in "&<>\"'#`\\{}[]()|;$*_~"}
_LONGEST_LABEL = 60


def mermaid(plan: Plan) -> str:
    """The plan as a Mermaid flowchart. An edge goes from each task to those that wait for it.

    Edges that only order, or that carry a value into longer text, are dotted.
    """
    lines = ["flowchart TD"]
    names = _names(plan)
    lines += [f'    {names[task.id]}["{_label(task).translate(_MERMAID_ESCAPES)}"]' for task in plan]
    lines += [f"    {names[need]} {'-->' if whole else '-.->'} {names[task]}" for need, task, whole in _edges(plan)]
    return "\n".join(lines) + "\n"


def dot(plan: Plan) -> str:
    """The plan in Graphviz's DOT language; edges as in `mermaid`."""
    lines = ["digraph plan {", "    node [shape=box];"]
    names = _names(plan)
    for task in plan:
        label = _label(task).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'    {names[task.id]} [label="{label}"];')
    for need, task, whole in _edges(plan):
        lines.append(f"    {names[need]} -> {names[task]}{'' if whole else ' [style=dashed]'};")
    return "\n".join([*lines, "}"]) + "\n"


def _names(plan: Plan) -> dict[str, str]:
    # Both languages read words such as `end` or `node` as their own, so ids never stand for themselves.
    return {task.id: f"t{number}" for number, task in enumerate(plan)}


def _label(task: Task) -> str:
    arguments = ", ".join(f"{name}={_written(value)}" for name, value in task.args.items())
    if len(arguments) > _LONGEST_LABEL:
        arguments = arguments[: _LONGEST_LABEL - 1] + "…"
    label = f"{task.id}. {task.call}({arguments})"
    return "".join(char if char.isprintable() else " " for char in label)


def _written(value: object) -> str:
    text = render_tree(value)
    return (
        text if isinstance(text, str) and text.startswith("${") else json.dumps(text, ensure_ascii=False, default=str)
    )


def _edges(plan: Plan) -> Iterator[tuple[str, str, bool]]:
    for task in plan:
        carried = {ref.task for ref, whole in references(task.args) if whole}
        for need in plan.waits_for(task):
            yield need, task.id, need in carried
