"""What the executor knows about a tool: how to call it, and what may go wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Literal, TypedDict

from executor.errors import UnknownTool
from executor.plan import FailurePolicy
from executor.retry import Retry
from executor.schema import JsonSchema, well_formed
from executor.signature import Signature

Effect = Literal["pure", "idempotent", "once"]
"""`pure` only reads; `idempotent` may be repeated with the same key; `once` must never run twice unasked."""


Tainted = Literal["ask", "allow"]
"""What a `once` tool does with arguments that rest on untrusted results: a person is asked, or nobody."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` calls begin in any `per` seconds on average; a burst may use up one period at once."""

    calls: int
    per: float = 1.0

    def __post_init__(self) -> None:
        if self.calls < 1 or not self.per > 0:
            raise ValueError(f"{self}: a rate is at least one call in more than 0 seconds")


@dataclass(frozen=True, slots=True)
class Breaker:
    """Stops calling a tool that only fails.

    After `failures` failures in a row, further calls fail at once. After `reset` seconds one call is let through;
    if it succeeds the others follow.
    """

    failures: int = 5
    reset: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.reset > 0:
            raise ValueError(f"{self}: it opens after at least one failure and for more than 0 seconds")


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may ask for about the call it serves, by a parameter of this type.

    Attributes:
        task: the task's id.
        attempt: 1 for the first call, 2 for its first retry.
        key: idempotency key: the same for every attempt of this task, also after a crash, and for no other call.
            Hand it to a service that takes one.
    """

    task: str
    attempt: int = 1
    key: str = field(default="", compare=False)


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


class Care(TypedDict, total=False):
    """Settings of a `Tool` for tools that need more care than others; each is described there."""

    approve: bool | str
    deadline: float | None
    rate: Rate | None
    breaker: Breaker | None
    cache: bool | float
    trusted: bool
    tainted: Tainted
    process: bool


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
        approve: True, or the question to ask, if a person must say yes before each call.
        deadline: seconds the whole task may take, with its retries; None for no limit.
        rate: how many calls may begin in a time.
        breaker: when to stop calling a tool that only fails.
        cache: how long the result of a `pure` tool may be used again, where the executor has a cache: seconds, True
            for as long as the cache keeps it, False for not at all.
        trusted: its results are no more untrusted than its arguments: for tools that only compute.
        tainted: see `Tainted`.
        process: runs the function in a process of its own, which is killed when the call is cancelled or out of time.
            The function must be importable, and its arguments and result must be picklable.

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
    approve: bool | str = False
    deadline: float | None = None
    rate: Rate | None = None
    breaker: Breaker | None = None
    cache: bool | float = True
    trusted: bool = False
    tainted: Tainted = "ask"
    process: bool = False
    is_async: bool = field(init=False)
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"{self.name}: a timeout of {self.timeout:g} s leaves no time; leave it out for no limit")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(
                f"{self.name}: a concurrency of {self.concurrency} lets nothing run; leave it out for no limit"
            )
        if self.deadline is not None and not self.deadline > 0:
            raise ValueError(f"{self.name}: a deadline of {self.deadline} s leaves no time; leave it out for no limit")
        if self.returns is not None:
            object.__setattr__(self, "returns", well_formed(self.returns))
        function = self.function
        is_async = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
        object.__setattr__(self, "is_async", is_async)
        limits = (self.timeout, self.retry, self.concurrency, self.deadline, self.rate, self.breaker)
        limited = self.process or self.approve is not False or any(limit is not None for limit in limits)
        plain = is_async and not limited and self.validate is None and self.context is None
        object.__setattr__(self, "is_plain", plain)

    @property
    def version(self) -> str:
        """A digest of what plans and results rely on: name, parameters and effect."""
        told = [self.name, self.effect, self.signature.to_json_schema()]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


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
