"""What the executor knows about a tool: how to call it, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Literal

from executor.errors import UnknownTool
from executor.plan import FailurePolicy
from executor.retry import Retry
from executor.signature import JsonSchema, Signature

Effect = Literal["pure", "idempotent", "once"]
"""`pure` only reads; `idempotent` may be repeated with the same key; `once` must never run twice unasked."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may ask for about the call it serves, by a parameter of this type."""

    task: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A tool that does many calls of another in one, in order: `many(titles=["a", "b"])` for `one("a")`, `one("b")`.

    Attributes:
        tool: its name.
        parameter: its parameter that takes the list.
        of: the parameter of the single call whose values go into the list; the others must be the same for all.
    """

    tool: str
    parameter: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the planner may call.

    Attributes:
        name: what plans call it; dots and dashes are allowed.
        function: async, or sync (then it runs in a worker thread).
        description: for the model; its first paragraph is what prompts show.
        signature: its parameters.
        returns: JSON Schema of the result, where it is known.
        effect: see `Effect`. Nothing is assumed: the default is the careful one.
        validate: turns raw arguments into what `function` takes, or raises ValueError.
        batch: the tool that makes many of its calls in one, if there is one.
        speculative: whether a `pure` call may begin while the model is still writing it, and be thrown away.
        timeout: seconds one attempt may take; None for no limit.
        retry: None for a single attempt.
        concurrency: calls of this tool at the same time; None for no limit.
        on_error: what a failure means for the run.
        context: name of the parameter that receives a `ToolContext`, if any.

    Raises:
        ValueError: a limit that no call could keep.
    """

    name: str
    function: Callable[..., Any]
    description: str = ""
    signature: Signature = field(default_factory=Signature)
    returns: JsonSchema | None = None
    effect: Effect = "once"
    validate: Callable[[Mapping[str, object]], dict[str, object]] | None = None
    batch: Batch | None = None
    speculative: bool = False
    timeout: float | None = None
    retry: Retry | None = None
    concurrency: int | None = None
    on_error: FailurePolicy = "skip"
    context: str | None = None
    is_async: bool = field(init=False)
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"{self.name}: a timeout of {self.timeout:g} s leaves no time; leave it out for no limit")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(
                f"{self.name}: a concurrency of {self.concurrency} lets nothing run; leave it out for no limit"
            )
        function = self.function
        is_async = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
        object.__setattr__(self, "is_async", is_async)
        limited = self.timeout is not None or self.retry is not None or self.concurrency is not None
        plain = is_async and not limited and self.validate is None and self.context is None
        object.__setattr__(self, "is_plain", plain)


class Toolset(Mapping[str, Tool]):
    """Tools by name.

    Raises:
        ValueError: two tools share a name.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"two tools are called {tool.name!r}; rename one of them")
            self._tools[tool.name] = tool

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def find(self, name: str, *, task: str | None = None) -> Tool:
        """The tool called `name`. Raises UnknownTool with the nearest name."""
        tool = self._tools.get(name)
        if tool is None:
            raise UnknownTool(name, list(self._tools), task=task)
        return tool
