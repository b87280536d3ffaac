"""What pydantic finds wrong with a part of the file, said in the file's own words and with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from agentrt.workflows.errors import nearest
from agentrt.workflows.tree import Key, Node

Model = TypeVar("Model", bound=BaseModel)

_YAML_WORDS = {"yes": "true", "no": "false", "on": "true", "off": "false"}
_KINDS_OF_DATA = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_MISSING = {
    "agentrt": "add `agentrt: 1`, the version of the format",
    "name": "add `name: …`",
    "tasks": "add `tasks:` with a step in it",
    "foreach.items": 'add `items: "${step}"`',
}


class Fault(NamedTuple):
    """One thing that is wrong: the offset in the file, what, and the likely fix."""

    offset: int
    message: str
    hint: str = ""


def faults_of(model: type[BaseModel], node: Node) -> list[Fault]:
    """Everything that keeps the node's value from being a `model`."""
    try:
        model.model_validate(node.value)
    except ValidationError as error:
        faults: list[Mapping[str, Any]] = [*error.errors(include_url=False)]
        return [_fault(model, node, fault) for fault in _merged(node, faults)]
    return []


def _fault(model: type[BaseModel], node: Node, fault: Mapping[str, Any]) -> Fault:
    kind: str = fault["type"]
    path, place = _place(node, fault)
    shown = ".".join(str(key) for key in path)
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        return Fault(node.key_at(path), f"there is no key {path[-1]!r} here", nearest(str(path[-1]), known))
    if kind == "missing":
        return Fault(node.at(path[:-1]).start, f"{shown} is missing", _MISSING.get(shown, ""))
    if kind == "string_pattern_mismatch":
        return Fault(node.key_at(path), f"{path[-1]!r} is no name", "names are letters, digits, - and _")
    if kind in _KINDS_OF_DATA:
        value = fault["input"]
        message = f"{shown or 'this'} must be {fault['wanted']}, not {_short(value)}"
        return Fault(place.start, message, _hint_for(kind, value))
    return Fault(place.start, f"{shown}: {fault['msg'][0].lower()}{fault['msg'][1:]}")


def _merged(node: Node, faults: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The faults, where a value may have several forms: those of the form it has, or one that names all forms."""
    by_place: dict[int, dict[str, Any]] = {}
    for fault in faults:
        if _is_of_other_form(node, fault):
            continue
        if fault["type"] not in _KINDS_OF_DATA:
            yield fault
            continue
        place = id(_place(node, fault)[1])
        if place not in by_place:
            by_place[place] = {**fault, "wanted": _KINDS_OF_DATA[fault["type"]]}
        elif (other := _KINDS_OF_DATA[fault["type"]]) not in by_place[place]["wanted"]:
            by_place[place]["wanted"] += f" or {other}"
    yield from by_place.values()


def _is_of_other_form(node: Node, fault: Mapping[str, Any]) -> bool:
    """Whether the fault is about a form that the value does not have, such as a number where a mapping stands."""
    for key in fault["loc"]:
        if key in node.children:
            node = node.children[key]
        elif isinstance(key, str) and key != "[key]" and fault["type"] not in ("missing", "dict_type", "model_type"):
            return isinstance(node.value, dict) != key.endswith("Spec")
    return False


def without_faults(model: type[BaseModel], node: Node) -> Node:
    """The node without the keys that `model` finds fault with."""
    try:
        model.model_validate(node.value)
    except ValidationError as error:
        wrong = {fault["loc"][0] for fault in error.errors(include_url=False) if fault["loc"]}
        kept: dict[Key, Node] = {key: child for key, child in node.children.items() if key not in wrong}
        value = {key: item for key, item in node.value.items() if key not in wrong}
        return Node(value, node.start, node.end, kept, node.keys)
    return node


def quietly(model: type[Model], node: Node) -> Model | None:
    """The node's value as the model reads it; None where it is not valid."""
    try:
        return model.model_validate(node.value)
    except ValidationError:
        return None


def _hint_for(kind: str, value: object) -> str:
    if kind == "bool_type" and isinstance(value, str) and value.lower() in _YAML_WORDS:
        return f"{value} is text here; write {_YAML_WORDS[value.lower()]}"
    if kind == "string_type" and not isinstance(value, dict | list):
        return "put it in quotes"
    if isinstance(value, str) and kind in ("int_type", "float_type") and not value.strip("0123456789._"):
        return "write it without quotes, underscores or leading zeros"
    return ""


def _place(node: Node, fault: Mapping[str, Any]) -> tuple[tuple[Key, ...], Node]:
    """The part of a pydantic fault's location that names keys of the file, and the node there."""
    path: list[Key] = []
    for key in fault["loc"]:
        if key in node.children:
            node = node.children[key]
            path.append(key)
    if fault["type"] == "missing":
        path.append(fault["loc"][-1])
    return tuple(path), node


def _keys_at(model: type[BaseModel], path: Sequence[Key]) -> list[str]:
    """What may stand in a mapping: the keys of the model at `path`."""
    for key in path:
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == key), None)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            break
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
