"""One task's call: validation, deadline, retries, worker threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any

import anyio
import anyio.to_thread

from executor.errors import ArgumentMismatch, CallError, ExecutorError, PlanError, ToolFailed, ToolTimeout
from executor.retry import Retry
from executor.tool import Tool, ToolContext

OnRetry = Callable[[int, float, Exception], None]
"""Told the attempt that failed (from 1), the seconds until the next, and the error."""


async def call(tool: Tool, task: str, arguments: Mapping[str, object], on_retry: OnRetry) -> object:
    """Calls `tool` under its own timeout and retry policy.

    Raises:
        ArgumentMismatch: the tool's validator refused the arguments; the tool was not called.
        ToolTimeout: the last attempt took longer than `tool.timeout`.
        Exception: whatever the last attempt raised.
    """
    checked = _validated(tool, task, arguments)
    if tool.retry is None:
        return await _attempt(tool, task, checked, 1)
    return await _retry(tool, tool.retry, task, checked, on_retry)


def as_call_error(error: BaseException, tool: str, task: str) -> ExecutorError:
    """`error` as one that says which task and tool it came from; ours about this very task already do."""
    if isinstance(error, CallError | PlanError) and error.task == task:
        return error
    failed = ToolFailed(f"task {task}: {tool} raised {type(error).__name__}: {error}", task=task)
    failed.__cause__ = error
    return failed


def _validated(tool: Tool, task: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    if tool.validate is None:
        return dict(arguments)
    try:
        return tool.validate(arguments)
    except ValueError as error:
        raise ArgumentMismatch(tool.name, [str(error)], task=task) from error


async def _attempt(tool: Tool, task: str, arguments: dict[str, Any], attempt: int) -> object:
    if tool.context is not None:
        arguments = {**arguments, tool.context: ToolContext(task, attempt)}
    if tool.timeout is None:
        return await _invoke(tool, arguments)
    with anyio.move_on_after(tool.timeout) as scope:
        return await _invoke(tool, arguments)
    assert scope.cancelled_caught
    raise ToolTimeout(f"task {task}: {tool.name} took longer than {tool.timeout:g} s and was stopped", task=task)


async def _invoke(tool: Tool, arguments: dict[str, Any]) -> object:
    if tool.is_async:
        return await tool.function(**arguments)
    # A thread cannot be interrupted: on cancellation its result is dropped and the run goes on.
    value = await anyio.to_thread.run_sync(partial(tool.function, **arguments), abandon_on_cancel=True)
    # A plain function may still hand back a coroutine, as `lambda: fetch(url)` does.
    return await value if isawaitable(value) else value


async def _retry(tool: Tool, policy: Retry, task: str, arguments: dict[str, Any], on_retry: OnRetry) -> object:
    import tenacity

    def worth_it(error: BaseException) -> bool:
        return isinstance(error, policy.on) or (isinstance(error, ToolTimeout) and TimeoutError in policy.on)

    def announce(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Exception):
            on_retry(state.attempt_number, state.upcoming_sleep, error)

    attempts = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(policy.attempts),
        wait=tenacity.wait_random_exponential(multiplier=policy.wait, max=policy.longest_wait),
        retry=tenacity.retry_if_exception(worth_it),
        before_sleep=announce,
        sleep=anyio.sleep,
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            return await _attempt(tool, task, arguments, attempt.retry_state.attempt_number)
    raise AssertionError("tenacity ends with a value or an exception")
