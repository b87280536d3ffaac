"""Whether a task runs at all: small conditions over earlier results, as data.

    Compare(Ref("search", ("score",)), ">", 0.5)
    All((Compare(Ref("a"), "==", "yes"), Not(Truth(Ref("b")))))

A condition is part of a plan, so it has a JSON form and no code in it. In JSON it is a mapping with one key:
`{">": ["${search.score}", 0.5]}`, `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}`, `{"true": "${b}"}`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from executor.errors import PlanError
from executor.refs import Ref, parse_tree, references, render_tree, resolve

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
_MAX_DEPTH = 32

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, whole: item in whole,
    "not in": lambda item, whole: item not in whole,
}


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; either side may hold references."""

    left: object
    op: Operator
    right: object


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether a value is true as Python sees it: not empty, not zero, not null."""

    value: object


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Every one of `conditions` holds; later ones are not looked at once one does not."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of `conditions` holds; later ones are not looked at once one does."""

    conditions: tuple[Condition, ...]


Condition = Compare | Truth | Not | All | AnyOf


def holds(condition: Condition, results: Mapping[str, object]) -> bool:
    """Whether `condition` holds for `results` (task id to value).

    A part that a result does not have is null: a condition is where one asks whether it is there.

    Raises:
        KeyError: a reference to a task that is not in `results`.
        TypeError: values that cannot be compared, such as a text with a number.
    """
    match condition:
        case Compare(left, op, right):
            mine, other = _value(left, results), _value(right, results)
            try:
                return bool(_OPERATORS[op](mine, other))
            except TypeError as error:
                kinds = f"{type(mine).__name__} {op} {type(other).__name__}"
                raise TypeError(f"the condition compares {kinds}, which cannot be compared") from error
        case Truth(value):
            return bool(_value(value, results))
        case Not(inner):
            return not holds(inner, results)
        case All(conditions):
            return all(holds(inner, results) for inner in conditions)
        case AnyOf(conditions):
            return any(holds(inner, results) for inner in conditions)


def _value(operand: object, results: Mapping[str, object]) -> object:
    if isinstance(operand, Ref) and operand.path:
        whole = results[operand.task]
        try:
            return operand.follow(whole)
        except LookupError:
            return None
    return resolve(operand, results)


def condition_references(condition: Condition) -> Iterator[tuple[Ref, bool]]:
    """Every reference inside `condition`, as `executor.refs.references` gives them."""
    match condition:
        case Compare(left, _, right):
            yield from references(left)
            yield from references(right)
        case Truth(value):
            yield from references(value)
        case Not(inner):
            yield from condition_references(inner)
        case All(conditions) | AnyOf(conditions):
            for inner in conditions:
                yield from condition_references(inner)


def condition_to_json(condition: Condition) -> dict[str, object]:
    """`condition` as plain JSON data."""
    match condition:
        case Compare(left, op, right):
            return {op: [render_tree(left), render_tree(right)]}
        case Truth(value):
            return {"true": render_tree(value)}
        case Not(inner):
            return {"not": condition_to_json(inner)}
        case All(conditions):
            return {"all": [condition_to_json(inner) for inner in conditions]}
        case AnyOf(conditions):
            return {"any": [condition_to_json(inner) for inner in conditions]}


def condition_from_json(data: object, *, depth: int = 0) -> Condition:
    """The inverse of `condition_to_json`.

    Raises:
        PlanError: `data` is not a condition; the message says how one is written.
    """
    if depth > _MAX_DEPTH:
        raise PlanError(f"a condition is nested more than {_MAX_DEPTH} deep; split it over several tasks")
    if not isinstance(data, Mapping) or len(cast(Mapping[object, object], data)) != 1:
        raise PlanError(f'a condition is a mapping with one key, such as {{">": ["$1.score", 0.5]}}, not {data!r:.100}')
    key, value = next(iter(cast(Mapping[str, object], data).items()))
    if key == "true":
        return Truth(parse_tree(value))
    if key == "not":
        return Not(condition_from_json(value, depth=depth + 1))
    if not isinstance(value, list | tuple):
        raise PlanError(f"condition {key!r} takes a list, not {value!r:.100}")
    items = cast(Sequence[object], value)
    if key in ("all", "any"):
        inner = tuple(condition_from_json(item, depth=depth + 1) for item in items)
        return All(inner) if key == "all" else AnyOf(inner)
    if key not in _OPERATORS:
        known = ", ".join((*get_args(Operator), "all", "any", "not", "true"))
        raise PlanError(f"there is no condition {key!r}; there are {known}")
    if len(items) != 2:
        raise PlanError(f"condition {key!r} compares two values, not {len(items)}")
    return Compare(parse_tree(items[0]), cast(Operator, key), parse_tree(items[1]))
