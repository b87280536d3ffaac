"""Plans as text, in the form the reader reads: what prompts and people see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from executor import Ref, Signature, Task, Text, Toolset

_NAME = re.compile(r"[^\W\d][\w-]*")


def as_lines(tasks: Iterable[Task], tools: Toolset | None = None) -> str:
    """One line a task, without `join()`. `tools` decides which arguments can go without their names."""
    found = ((task, tools.get(task.call) if tools else None) for task in tasks)
    return "\n".join(as_line(task, tool.signature if tool else None) for task, tool in found)


def as_line(task: Task, signature: Signature | None = None) -> str:
    """The task as one plan line: `3. compare($1, unit="km")`. Reading it gives the same call again.

    As in the grammar, arguments go without their names up to the first that may be left out.
    """
    left = dict(task.args)
    written: list[str] = []
    for parameter in signature.parameters if signature else ():
        if parameter.name not in left or not parameter.required:
            break
        written.append(as_value(left.pop(parameter.name)))
    if all(_NAME.fullmatch(name) for name in left):
        written += [f"{name}={as_value(value)}" for name, value in left.items()]
    else:
        written = [as_value(task.args)]
    return f"{task.id}. {task.call}({', '.join(written)})"


def as_value(value: object) -> str:
    """One argument as plans write it: JSON, with references left bare."""
    if isinstance(value, Ref):
        short = f"${str(value)[2:-1]}"
        return short if value.task.isdecimal() else str(value)
    if isinstance(value, Text):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, str):
        return json.dumps(value.replace("$", "$$"), ensure_ascii=False)
    if isinstance(value, Mapping):
        entries = cast(Mapping[str, object], value).items()
        inner = ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {as_value(item)}" for key, item in entries)
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_value(item) for item in cast(Sequence[object], value)) + "]"
    return json.dumps(value)
