"""Changing the references inside a task's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from executor import Ref, Task, Text


def without_mentions(task: Task, names: set[str]) -> Task:
    """`task` with the references to `names` inside its texts turned back into the text they were written as."""

    def change(part: Ref) -> Ref | str:
        return _written(part) if part.task in names else part

    return replace(task, args=_map_texts(task.args, change))


def renamed(task: Task, names: Mapping[str, str]) -> Task:
    """`task` with every reference to a key of `names` pointing to its value instead."""
    if not any(name in names for name in (*task.needs, *task.mentions)):
        return task

    def change(part: Ref) -> Ref:
        return Ref(names.get(part.task, part.task), part.path)

    after = tuple(names.get(name, name) for name in task.after)
    return replace(task, args=_map_texts(task.args, change, change), after=after)


def redirected(task: Task, moved: Mapping[str, Ref]) -> Task:
    """`task` with every reference to a key of `moved` pointing into its value instead."""
    if not any(name in moved for name in (*task.needs, *task.mentions)):
        return task

    def change(part: Ref) -> Ref:
        to = moved.get(part.task)
        return part if to is None else Ref(to.task, (*to.path, *part.path))

    after = tuple(dict.fromkeys(moved[name].task if name in moved else name for name in task.after))
    return replace(task, args=_map_texts(task.args, change, change), after=after)


def _map_texts(
    args: Mapping[str, object], inside: Callable[[Ref], Ref | str], whole: Callable[[Ref], Ref] | None = None
) -> dict[str, object]:
    def walk(value: object) -> object:
        if isinstance(value, Ref):
            return value if whole is None else whole(value)
        if isinstance(value, Text):
            return _joined([inside(part) if isinstance(part, Ref) else part for part in value.parts])
        if isinstance(value, Mapping):
            return {key: walk(item) for key, item in cast(Mapping[str, object], value).items()}
        if isinstance(value, list | tuple):
            return [walk(item) for item in cast(list[object], value)]
        return value

    return {name: walk(value) for name, value in args.items()}


def _joined(parts: list[Ref | str]) -> Text | str:
    merged: list[Ref | str] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 and isinstance(merged[0], str) else Text((*merged,))


def _written(ref: Ref) -> str:
    return f"${str(ref)[2:-1]}" if ref.task.isdecimal() else str(ref)
