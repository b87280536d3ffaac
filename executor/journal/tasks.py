"""Tasks as JSON text and back. Thousands a second are written, so the usual ones take a short way."""

from __future__ import annotations

from typing import Any, cast

from executor.journal.codec import NotStorable, decode, encode, text_encoder
from executor.plan import Task
from executor.refs import Ref, Text

_MARK = '"$":'
_LONGEST = 1_000


class _Uncommon(Exception):
    """A value that the short way cannot write."""


def _reference(value: object) -> object:
    if isinstance(value, Ref):
        return {"$": ["ref", [value.task, *value.path]]}
    if isinstance(value, Text):
        return {"$": ["text", list(value.parts)]}
    raise _Uncommon


_encode = text_encoder(_reference)


def write_task(task: Task) -> str:
    """`task` as ASCII JSON text."""
    if task.special:
        return _whole(task)
    data: dict[str, object] = {"id": task.id, "call": task.call, "args": task.args}
    if task.after:
        data["after"] = task.after
    if task.on_error:
        data["on_error"] = task.on_error
    if task.thought:
        data["thought"] = task.thought
    try:
        text = _encode(data)
    except (_Uncommon, ValueError, TypeError, RecursionError):
        return _whole(task)
    # An argument of its own with the key "$" would be read as a reference.
    if task.dynamic:
        return text if text.count(_MARK) == text.count('"$":["ref",[') + text.count('"$":["text",[') else _whole(task)
    return text if _MARK not in text else _whole(task)


def read_task(text: str) -> Task:
    """The inverse of `write_task`. Raises PlanError for a task whose arguments had no written form."""
    data = cast("dict[str, Any]", decode(text))
    if "json" in data:
        return Task.from_json(data["json"])
    after = tuple(data.get("after", ()))
    return Task(data["id"], data["call"], data["args"], after, data.get("on_error"), data.get("thought", ""))


def _whole(task: Task) -> str:
    try:
        return encode({"json": task.to_json()})
    except NotStorable as error:  # an element of a list that holds what has no written form
        lost = {"id": task.id, "call": task.call, "lost": str(error), "args": {"lost": repr(task.args)[:_LONGEST]}}
        return encode({"json": lost})
