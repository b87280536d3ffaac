"""References from a task's arguments to other tasks' results.

The syntax is the same in text plans, JSON plans and YAML workflows:

    $1            the result of task 1
    $1.name[0]    a field, then an item, of it
    ${search.hits[0].title}   the same with braces, for ids that are words
    $1["first name"]          a key that is no word; a backslash keeps the character after it
    $$            a dollar

References are found once, when a plan is read. A string that is one reference and nothing else becomes
a `Ref` and keeps the type of the value; references inside a longer string become a `Text` and are
rendered. Results are data: nothing here is ever applied to a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import cast

from pydantic import BaseModel

Step = str | int

_ID = r"[A-Za-z0-9_-]+"
_KEY = r"[A-Za-z_][A-Za-z0-9_]*"
_INDEX = r"-?[0-9]{1,15}"
_DOUBLE = r"(?:[^\"\\]|\\.)*"
_SINGLE = r"(?:[^'\\]|\\.)*"
_STEPS = rf"(?:\.{_KEY}|\[{_INDEX}\]|\[\"{_DOUBLE}\"\]|\['{_SINGLE}'\])*"
_TOKEN = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<bare>[0-9]+{_STEPS})|\{{(?P<braced>{_ID}{_STEPS})\}})", re.DOTALL)
_HEAD = re.compile(_ID)
_STEP = re.compile(
    rf"\.(?P<key>{_KEY})|\[(?P<index>{_INDEX})\]|\[\"(?P<double>{_DOUBLE})\"\]|\['(?P<single>{_SINGLE})'\]", re.DOTALL
)
_SCALARS = frozenset({str, int, float, bool, type(None)})
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ref:
    """A typed reference to the result of `task`, or to a part of it named by `path`.

    Raises:
        ValueError: an id that has no written form.
    """

    task: str
    path: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if not _HEAD.fullmatch(self.task):
            raise ValueError(f"{self.task!r} cannot be referred to: ids are letters, digits, - and _")

    def __str__(self) -> str:
        return "${" + self.task + "".join(_step_text(step) for step in self.path) + "}"

    def follow(self, value: object) -> object:
        """The part of `value` that `path` names.

        Raises:
            LookupError: `value` has no such field or item; the message says what it has.
        """
        for step in self.path:
            value = _take(value, step)
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """A string with references inside it; each is rendered as text when its task has finished."""

    parts: tuple[str | Ref, ...]

    def __str__(self) -> str:
        return "".join(part.replace("$", "$$") if isinstance(part, str) else str(part) for part in self.parts)


def parse(text: str) -> str | Ref | Text:
    """Reads the references in one string: a plain string, a `Ref` or a `Text`."""
    if "$" not in text:
        return text
    parts: list[str | Ref] = []
    literal = ""
    end = 0
    for match in _TOKEN.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match["dollar"]:
            literal += "$"
            continue
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_ref(match["bare"] or match["braced"]))
    literal += text[end:]
    if not parts:
        return literal
    if literal:
        parts.append(literal)
    if len(parts) == 1 and isinstance(parts[0], Ref):
        return parts[0]
    return Text(tuple(parts))


def parse_tree(value: object) -> object:
    """`parse` applied to every string inside lists and dicts; other values are returned as they are."""
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, Mapping):
        return {str(key): parse_tree(item) for key, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, list | tuple):
        return [parse_tree(item) for item in cast(Sequence[object], value)]
    return value


def render_tree(value: object) -> object:
    """The inverse of `parse_tree`: references become their written form, dollars are doubled."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Ref | Text):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): render_tree(item) for key, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, list | tuple):
        return [render_tree(item) for item in cast(Sequence[object], value)]
    return plain(value)


def references(value: object) -> Iterator[tuple[Ref, bool]]:
    """Every reference inside `value`; the flag is True for one that stands for a whole value.

    A reference inside a longer text is weaker: when no task defines it, it was only a dollar amount.
    """
    if isinstance(value, Ref):
        yield value, True
    elif isinstance(value, Text):
        for part in value.parts:
            if isinstance(part, Ref):
                yield part, False
    elif isinstance(value, Mapping):
        for item in cast(Mapping[object, object], value).values():
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in cast(Sequence[object], value):
            yield from references(item)


def resolve(value: object, results: Mapping[str, object]) -> object:
    """`value` with every reference replaced by what it refers to in `results` (task id to value).

    A reference inside text whose task is not in `results` stays as it was written.

    Raises:
        LookupError: a path that the result does not have.
        KeyError: a whole-value reference to a task that is not in `results`.
    """
    if isinstance(value, Ref):
        return value.follow(results[value.task]) if value.path else results[value.task]
    if type(value) in _SCALARS:  # asked early because the ABCs below are slow to ask
        return value
    if isinstance(value, list):
        return [
            results[item.task] if isinstance(item, Ref) and not item.path else resolve(item, results)
            for item in cast(list[object], value)
        ]
    if isinstance(value, Text):
        return "".join(_render_part(part, results) for part in value.parts)
    if isinstance(value, Mapping):
        return {key: resolve(item, results) for key, item in cast(Mapping[str, object], value).items()}
    if isinstance(value, tuple):
        return [resolve(item, results) for item in cast(Sequence[object], value)]
    return value


def as_text(value: object) -> str:
    """How a result reads inside text: strings as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, default=str)


def plain(value: object) -> object:
    """`value` with pydantic models and dataclasses turned into dicts, ready for JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in cast(Sequence[object], value)]
    return value


def _ref(written: str) -> Ref:
    head = cast(re.Match[str], _HEAD.match(written))
    path: list[Step] = []
    for match in _STEP.finditer(written, head.end()):
        if match["index"] is not None:
            path.append(int(match["index"]))
        elif match["key"] is not None:
            path.append(match["key"])
        else:
            quoted = match["single"] if match["double"] is None else match["double"]
            path.append(_ESCAPE.sub(r"\1", quoted))
    return Ref(head[0], tuple(path))


def _step_text(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if re.fullmatch(_KEY, step):
        return f".{step}"
    return '["' + re.sub(r'(["\\])', r"\\\1", step) + '"]'


def _take(value: object, step: Step) -> object:
    if isinstance(value, Mapping):
        mapping = cast(Mapping[object, object], value)
        if step in mapping:
            return mapping[step]
        raise LookupError(f"there is no key {step!r}; there are: {_names(mapping)}")
    if isinstance(step, int):
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            items = cast(Sequence[object], value)
            if -len(items) <= step < len(items):
                return items[step]
            raise LookupError(f"there is no item {step}; there are {len(items)}")
    elif isinstance(value, BaseModel):
        if step in type(value).model_fields:
            return getattr(value, step)
        raise LookupError(f"there is no field {step!r}; there are: {_names(type(value).model_fields)}")
    elif is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        if step in names:
            return getattr(value, step)
        raise LookupError(f"there is no field {step!r}; there are: {_names(names)}")
    raise LookupError(f"a value of type {type(value).__name__} has no {step!r}")


def _names(keys: object) -> str:
    names = [str(key) for key in cast(Sequence[object], keys)]
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "none"


def _render_part(part: str | Ref, results: Mapping[str, object]) -> str:
    if isinstance(part, str):
        return part
    if part.task not in results:
        return "$" + str(part)[2:-1] if part.task.isdecimal() else str(part)
    return as_text(part.follow(results[part.task]))
