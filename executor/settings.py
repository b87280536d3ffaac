"""What one task may say beyond its call: `foreach`, and settings that override its tool's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from executor.errors import PlanError
from executor.refs import parse_tree, render_tree
from executor.retry import Retry

ElementPolicy = Literal["fail", "skip", "continue"]
"""What a failed element means: `fail` fails the task and starts no more of them, `skip` leaves it out of the list,
`continue` puts the error in its place."""

ITEM = "item"
"""What a `foreach` task's arguments call the element at hand: `${item}`, `${item.title}`."""


@dataclass(frozen=True, slots=True)
class ForEach:
    """Runs a task's call once for each element of a list; its value is the list of results, in order.

    The task's arguments refer to the element as `${item}`. Element tasks are called `ID[0]`, `ID[1]`, ….

    Attributes:
        items: a reference to a list, or a list, which may hold references.
        concurrency: elements at the same time; None for no limit but the tool's.
        on_error: what a failed element means.
        max_items: a longer list fails the task before any element runs.

    Raises:
        ValueError: a limit that lets nothing run.
    """

    items: object
    concurrency: int | None = None
    on_error: ElementPolicy = "fail"
    max_items: int = 10_000

    def __post_init__(self) -> None:
        if (self.concurrency is not None and self.concurrency < 1) or self.max_items < 0:
            raise ValueError("foreach: a concurrency is at least 1 and max_items at least 0")
        if self.on_error not in get_args(ElementPolicy):
            raise ValueError(f"foreach: on_error must be one of {', '.join(get_args(ElementPolicy))}")

    def to_json(self) -> dict[str, object]:
        """As plain JSON data; fields with their default value are left out."""
        data: dict[str, object] = {"items": render_tree(self.items)}
        if self.concurrency is not None:
            data["concurrency"] = self.concurrency
        if self.on_error != "fail":
            data["on_error"] = self.on_error
        if self.max_items != 10_000:
            data["max_items"] = self.max_items
        return data

    @classmethod
    def from_json(cls, data: object) -> ForEach:
        """The inverse of `to_json`; a bare reference or list stands for `{"items": …}`. Raises PlanError."""
        fields = _fields(cast(object, data), "foreach", cls) if isinstance(data, Mapping) else {"items": data}
        if "items" not in fields:
            raise PlanError("foreach needs items: a reference to a list, or a list")
        return _made(cls, {**fields, "items": parse_tree(fields["items"])}, "foreach")


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """Settings of one task that override its tool's. None everywhere means: as the tool says.

    Attributes:
        approve: True, or the question to ask, if a person must say yes before the call; False to ask nothing
            although the tool would.
        timeout: seconds one attempt may take.
        retry: when to call again; refused for tools that must run once.
        cache: False to call even where the result is known; True has no effect on tools that are not `pure`.
        tainted: False lets arguments that rest on untrusted results reach a `once` tool unasked.

    Raises:
        ValueError: a timeout that leaves no time.
    """

    approve: bool | str | None = None
    timeout: float | None = None
    retry: Retry | None = None
    cache: bool | None = None
    tainted: bool | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"a timeout of {self.timeout} s leaves no time; leave it out for no limit")

    def to_json(self) -> dict[str, object]:
        """As plain JSON data; fields that are None are left out."""
        data: dict[str, object] = {}
        for name in ("approve", "timeout", "cache", "tainted"):
            if (value := getattr(self, name)) is not None:
                data[name] = value
        if self.retry is not None:
            data["retry"] = self.retry.to_json()
        return data

    @classmethod
    def from_json(cls, data: object) -> TaskOptions:
        """The inverse of `to_json`. Raises PlanError."""
        fields = _fields(data, "options", cls)
        if fields.get("retry") is not None:
            fields["retry"] = Retry.from_json(_fields(fields["retry"], "retry", Retry))
        return _made(cls, fields, "options")


def _fields(data: object, what: str, kind: Any) -> dict[str, Any]:
    known = set(kind.__dataclass_fields__)
    if not isinstance(data, Mapping):
        raise PlanError(f"{what} is a mapping of {', '.join(sorted(known))}, not {data!r:.100}")
    fields: dict[str, Any] = {str(name): value for name, value in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # checked above
    if unknown := sorted(set(fields) - known):
        raise PlanError(f"{what} has no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
    return fields


def _made(kind: Any, fields: dict[str, Any], what: str) -> Any:
    try:
        return kind(**fields)
    except (TypeError, ValueError) as error:
        raise PlanError(f"{what}: {error}") from error
