"""`@tool`: a typed function becomes a tool that plans can call and stays a function that code can call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar, Unpack, cast, overload

from agentrt.tools.docstrings import describe
from agentrt.tools.errors import SignatureError
from agentrt.tools.hints import read_hints
from executor import Batch, Effect, FailurePolicy, Retry, Tool
from executor.tool import Care

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool(Tool, Generic[P, R]):
    """A `Tool` made from a function. Calling it calls the function, with no validation in between."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self.function(*args, **kwargs))

    @property
    def __wrapped__(self) -> Callable[P, R]:
        """The function, where `inspect.signature` and doctest look for it."""
        return self.function


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...
@overload
def tool(
    function: None = None,
    /,
    *,
    effect: Effect = "once",
    name: str | None = None,
    description: str | None = None,
    batch: Batch | None = None,
    speculative: bool = False,
    timeout: float | None = None,
    retry: Retry | None = None,
    concurrency: int | None = None,
    on_error: FailurePolicy = "skip",
    **care: Unpack[Care],
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    effect: Effect = "once",
    name: str | None = None,
    description: str | None = None,
    batch: Batch | None = None,
    speculative: bool = False,
    timeout: float | None = None,
    retry: Retry | None = None,
    concurrency: int | None = None,
    on_error: FailurePolicy = "skip",
    **care: Unpack[Care],
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Makes a tool of an async or sync function; sync ones run in a worker thread.

    Parameters and result are described by the type hints, texts come from the docstring (its first
    paragraph, and a Google style `Args:` section) or from `Annotated[..., Field(description=…)]`.
    Arguments are validated by pydantic when the call is made. A parameter without a hint takes anything;
    one of type `ToolContext` is filled in by the executor and hidden from plans.

    Args:
        function: when used without brackets.
        effect: `pure` only reads, `idempotent` may be repeated, `once` must not; `once` where nothing is said.
        name: what plans call it; the function's own name by default.
        description: instead of the docstring's first paragraph.
        batch: the tool that makes many of its calls in one.
        speculative: whether a call may begin while the model still writes it; for `pure` only.
        timeout: seconds one attempt may take.
        retry: when to call again; not for `once`.
        concurrency: calls at the same time.
        on_error: what a failure means for the run.
        care: `approve`, `deadline`, `rate`, `breaker`, `cache`, `trusted`, `tainted`, `process`; see `executor.Tool`.

    Raises:
        SignatureError: the function or a setting cannot be used; the message says which and why.
    """

    def make(function: Callable[P, R]) -> FunctionTool[P, R]:
        called = name or str(getattr(function, "__name__", ""))
        _check_function(function, called)
        check_settings(called, effect, timeout, retry, concurrency)
        if speculative and effect != "pure":
            raise SignatureError(
                called, f"effect {effect!r} must not begin before it is meant; only 'pure' is speculative"
            )
        text = describe(getattr(function, "__doc__", None) if inspect.isroutine(function) else None)
        hints = read_hints(function, called, text.arguments)
        return FunctionTool(
            name=called,
            function=function,
            description=text.summary if description is None else description,
            signature=hints.signature,
            returns=hints.returns,
            effect=effect,
            validate=hints.validate,
            batch=batch,
            speculative=speculative,
            timeout=timeout,
            retry=retry,
            concurrency=concurrency,
            on_error=on_error,
            context=hints.context,
            **care,
        )

    return make if function is None else make(function)


def check_settings(
    name: str, effect: Effect, timeout: float | None, retry: Retry | None, concurrency: int | None
) -> None:
    """Refuses settings of a tool that contradict each other or mean nothing.

    Raises:
        SignatureError: says which setting and why.
    """
    if effect not in ("pure", "idempotent", "once"):
        raise SignatureError(name, f"effect must be 'pure', 'idempotent' or 'once', not {effect!r}")
    if effect == "once" and retry is not None:
        problem = (
            "effect 'once' must not run twice, so it takes no retry; say 'idempotent' or 'pure' if repeating is safe"
        )
        raise SignatureError(name, problem)
    if timeout is not None and not timeout > 0:
        raise SignatureError(name, f"timeout must be more than 0 seconds, not {timeout!r}")
    if concurrency is not None and concurrency < 1:
        raise SignatureError(name, f"concurrency must be at least 1, not {concurrency!r}")


def _check_function(function: object, name: str) -> None:
    if not callable(function) or isinstance(function, Tool | type):
        raise SignatureError(name or repr(function), f"@tool takes a function, not {type(function).__name__}")
    if not _NAME.match(name):
        shown = name or repr(function)
        raise SignatureError(shown, "its name is not one a plan can write (letters, digits, _ . -); give name=…")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SignatureError(name, "it yields; a tool returns one value, such as a list")
