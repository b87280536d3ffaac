"""Values as JSON text and back, exactly.

JSON has no tuples, sets, bytes, dates or keys that are not text. Those are written as `{"$": [kind, data]}` and come
back as what they were. pydantic models and dataclasses come back as plain dicts of their fields. Floats keep every bit,
NaN and infinities included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from executor.refs import Ref, Text

_MARK = "$"
_MAX_DEPTH = 200
_NATIVE = frozenset({str, int, float, bool, type(None)})


def text_encoder(default: Callable[[Any], object]) -> Callable[[object], str]:
    """A function that writes JSON as `json.JSONEncoder(default=default).encode` does.

    That method makes a new encoder in C for every call, which takes longer than to write a small value with it.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(separators=(",", ":"), default=default).encode
    write = make(None, default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # the stubs leave it out

    def encode(value: object) -> str:
        return "".join(write(value, 0))

    return encode


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} was not packed")


_encode = text_encoder(_refuse)

# Kinds whose text form is exact. Looked up by exact type: a subclass would come back as its base.
_TO_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
}
_FROM_TEXT: dict[str, Callable[[Any], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
    "timedelta": lambda parts: timedelta(*parts),
    "bytes": lambda text: text.encode("latin-1"),
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "map": dict,
    "ref": lambda parts: Ref(parts[0], tuple(parts[1:])),
    "text": lambda parts: Text(tuple(parts)),
}


class NotStorable(ValueError):
    """A value that has no exact written form; the message says which part and why."""


def encode(value: object) -> str:
    """`value` as ASCII JSON text.

    Raises:
        NotStorable: part of it has no written form, is nested too deeply, or contains itself.
    """
    if type(value) in _NATIVE:
        return _text(value)
    return _text(_pack(value, 0))


def decode(text: str) -> object:
    """The inverse of `encode`. Raises ValueError for text that `encode` did not write."""
    if _MARK not in text:
        return json.loads(text)
    return json.loads(text, object_hook=_unpack)


def _text(value: object) -> str:
    try:
        return _encode(value)
    except ValueError as error:  # an int with more digits than Python writes
        raise NotStorable(str(error)) from error


def _pack(value: Any, depth: int) -> object:
    kind = cast("type[Any]", type(value))
    if kind in _NATIVE:
        return value
    if depth > _MAX_DEPTH:
        raise NotStorable(f"it is nested more than {_MAX_DEPTH} deep, or contains itself")
    depth += 1
    if kind is list:
        return [item if type(item) in _NATIVE else _pack(item, depth) for item in value]
    if kind is dict:
        if _MARK not in value and all(type(key) is str for key in value):
            return {key: item if type(item) in _NATIVE else _pack(item, depth) for key, item in value.items()}
        return _marked("map", [[_pack(key, depth), _pack(item, depth)] for key, item in value.items()])
    if kind in _TO_TEXT:
        name, text = _TO_TEXT[kind]
        return _marked(name, text(value))
    if kind is tuple or kind is set or kind is frozenset:
        items = value if kind is tuple else sorted(value, key=repr)
        return _marked(kind.__name__, [_pack(item, depth) for item in items])
    return _pack_other(value, depth)


def _pack_other(value: Any, depth: int) -> object:
    if isinstance(value, BaseModel):
        return _pack({name: getattr(value, name) for name in type(value).model_fields}, depth)
    if is_dataclass(value) and not isinstance(value, type):
        return _pack({field.name: getattr(value, field.name) for field in fields(value)}, depth)
    if isinstance(value, bytes | bytearray):
        return _marked("bytes", bytes(value).decode("latin-1"))
    if isinstance(value, timedelta):
        return _marked("timedelta", [value.days, value.seconds, value.microseconds])
    if isinstance(value, Enum):
        return _pack(value.value, depth)
    if isinstance(value, PurePath):
        return str(value)
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Mapping):
        return _pack(dict(cast(Mapping[object, object], value)), depth)
    if isinstance(value, list | tuple):
        return _pack([*cast("list[object]", value)], depth)
    raise NotStorable(f"a {type(value).__module__}.{type(value).__qualname__} has no written form")


def _marked(kind: str, data: object) -> dict[str, object]:
    return {_MARK: [kind, data]}


def _unpack(found: dict[str, Any]) -> object:
    if len(found) != 1 or _MARK not in found:
        return found
    kind, data = found[_MARK]
    return _FROM_TEXT[kind](data)
