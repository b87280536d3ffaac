"""One task's call: validation, deadline, retries, worker threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any

import anyio
import anyio.to_thread

from executor.errors import ArgumentMismatch, CallError, ExecutorError, NotAllowed, PlanError, ToolFailed, ToolTimeout
from executor.retry import Retry
from executor.tool import Tool, ToolContext

OnRetry = Callable[[int, float, Exception], None]
"""Told the attempt that failed (from 1), the seconds until the next, and the error."""


async def call(
    tool: Tool,
    task: str,
    arguments: Mapping[str, object],
    on_retry: OnRetry,
    *,
    key: str = "",
    on_attempt: Callable[[int], None] | None = None,
    seconds: float | None = None,
) -> object:
    """Calls `tool` under its own timeout, deadline and retry policy.

    Args:
        tool: whose function is called.
        task: id of the task it is for.
        arguments: resolved.
        on_retry: told of every failure after which there is another attempt.
        key: idempotency key of the call.
        on_attempt: told of every further attempt before it is made; what it raises ends the task.
        seconds: time left to the whole run.

    Raises:
        ArgumentMismatch: the tool's validator refused the arguments; the tool was not called.
        ToolTimeout: the last attempt took longer than `tool.timeout`, or the task longer than its deadline.
        Exception: whatever the last attempt raised.
    """
    checked = _validated(tool, task, arguments)
    limit = min((time for time in (tool.deadline, seconds) if time is not None), default=None)
    if limit is None:
        return await _attempts(tool, task, checked, on_retry, key, on_attempt)
    with anyio.move_on_after(limit) as scope:
        return await _attempts(tool, task, checked, on_retry, key, on_attempt)
    assert scope.cancelled_caught
    why = "its deadline passed" if limit == tool.deadline else "the run's time was spent"
    raise ToolTimeout(f"task {task}: {tool.name} was stopped after {limit:g} s, when {why}", task=task)


async def _attempts(
    tool: Tool,
    task: str,
    arguments: dict[str, Any],
    on_retry: OnRetry,
    key: str,
    on_attempt: Callable[[int], None] | None,
) -> object:
    if tool.retry is None:
        return await _attempt(tool, arguments, ToolContext(task, 1, key))
    return await _retry(tool, tool.retry, arguments, task, on_retry, key, on_attempt)


def as_call_error(error: BaseException, tool: str, task: str) -> ExecutorError:
    """`error` as one that says which task and tool it came from; ours about this very task already do."""
    if isinstance(error, CallError | PlanError) and error.task == task:
        return error
    kind = type(error).__name__
    failed = ToolFailed(f"task {task}: {tool} raised {kind}: {error}", task=task, kind=kind)
    failed.__cause__ = error
    return failed


def _validated(tool: Tool, task: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    if tool.validate is None:
        return dict(arguments)
    try:
        return tool.validate(arguments)
    except ValueError as error:
        raise ArgumentMismatch(tool.name, [str(error)], task=task) from error


async def _attempt(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> object:
    if tool.context is not None:
        arguments = {**arguments, tool.context: context}
    if tool.timeout is None:
        return await _invoke(tool, arguments)
    with anyio.move_on_after(tool.timeout) as scope:
        return await _invoke(tool, arguments)
    assert scope.cancelled_caught
    task = context.task
    raise ToolTimeout(f"task {task}: {tool.name} took longer than {tool.timeout:g} s and was stopped", task=task)


async def _invoke(tool: Tool, arguments: dict[str, Any]) -> object:
    if tool.process:
        from executor.processes import run_in_process

        return await run_in_process(tool.function, arguments)
    if tool.is_async:
        return await tool.function(**arguments)
    # A thread cannot be interrupted: on cancellation its result is dropped and the run goes on.
    value = await anyio.to_thread.run_sync(partial(tool.function, **arguments), abandon_on_cancel=True)
    # A plain function may still hand back a coroutine, as `lambda: fetch(url)` does.
    return await value if isawaitable(value) else value


async def _retry(
    tool: Tool,
    policy: Retry,
    arguments: dict[str, Any],
    task: str,
    on_retry: OnRetry,
    key: str,
    on_attempt: Callable[[int], None] | None,
) -> object:
    import tenacity

    def worth_it(error: BaseException) -> bool:
        if isinstance(error, NotAllowed):
            return False
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
            number = attempt.retry_state.attempt_number
            if number > 1 and on_attempt is not None:
                on_attempt(number)
            return await _attempt(tool, arguments, ToolContext(task, number, key))
    raise AssertionError("tenacity ends with a value or an exception")
