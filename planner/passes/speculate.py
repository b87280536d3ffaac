"""Calls that begin while the model is still writing them.

A call is often known before its line is: behind `search("Heat"` only `)` is to come, or one more argument. Where a
`pure` tool allows it, the call begins then. If the line turns out as guessed, the executor's call of the tool gets the
value that is already on its way; if not, the guess is cancelled. The executor, its events and its journal know only of
the real call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from executor import Task, Tool, Toolset
from planner.events import CallSpeculated, PlannerObserver, ignore


@dataclass(eq=False, slots=True)
class _Guess:
    tool: str
    raw: Mapping[str, object]
    arguments: dict[str, Any]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    value: object = None
    error: Exception | None = None


class Speculation:
    """Begins guessed calls and hands their values over. Use it as an async context manager around one question.

    Args:
        tools: those with `effect="pure"` and `speculative=True` are speculated with.
        observe: receives `CallSpeculated`.
        clock: monotonic seconds.

    Attributes:
        tools: the same tools, for the executor: a call that was guessed waits for its guess.
    """

    def __init__(
        self,
        tools: Toolset,
        *,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = tools
        self._allowed = {name for name, tool in tools.items() if _allows(tool)}
        self._observe = observe or ignore
        self._clock = clock
        self._open: _Guess | None = None
        self._confirmed: list[_Guess] = []
        self._group: TaskGroup | None = None
        self._stack = AsyncExitStack()
        self.tools = Toolset(self._wrapped(tool) if name in self._allowed else tool for name, tool in tools.items())

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._group is not None:
            self._group.cancel_scope.cancel()
        self._group = self._open = None
        self._confirmed.clear()
        # The group must not wrap what the block raised; its own tasks raise nothing.
        await self._stack.__aexit__(None, None, None)

    def guess(self, task: Task | None) -> None:
        """The line that is being written looks like this call; None when it looks like nothing."""
        if self._open is not None and (task is None or not _same(self._open, task)):
            self._drop(self._open)
        if task is None or self._open is not None or self._group is None:
            return
        tool = self._given.get(task.call)
        if tool is None or task.call not in self._allowed or task.needs or task.dynamic:
            return
        try:
            arguments = dict(task.args) if tool.validate is None else tool.validate(task.args)
        except ValueError:
            return
        self._open = guess = _Guess(task.call, task.args, arguments)
        self._observe(CallSpeculated(self._clock(), task.call, "begun"))
        self._group.start_soon(self._run, tool, guess)

    def confirm(self, task: Task) -> None:
        """The line is complete and this is the call."""
        if self._open is None:
            return
        if _same(self._open, task):
            self._confirmed.append(self._open)
            self._open = None
        else:
            self._drop(self._open)

    def _drop(self, guess: _Guess) -> None:
        self._open = None
        guess.scope.cancel()
        self._observe(CallSpeculated(self._clock(), guess.tool, "dropped"))

    async def _run(self, tool: Tool, guess: _Guess) -> None:
        with guess.scope:
            try:
                guess.value = await _invoke(tool, guess.arguments)
            except Exception as error:  # the tool's; whoever gets the guess raises it again
                guess.error = error
        guess.ended.set()

    def _wrapped(self, tool: Tool) -> Tool:
        async def call(**arguments: Any) -> object:
            found = next((one for one in self._confirmed if one.tool == tool.name and one.arguments == arguments), None)
            if found is None:
                return await _invoke(tool, arguments)
            self._confirmed.remove(found)
            self._observe(CallSpeculated(self._clock(), tool.name, "used"))
            try:
                await found.ended.wait()
            except BaseException:
                found.scope.cancel()
                raise
            if found.error is not None:
                raise found.error
            return found.value

        return replace(tool, function=call)


def _allows(tool: Tool) -> bool:
    return tool.speculative and tool.effect == "pure" and tool.context is None


def _same(guess: _Guess, task: Task) -> bool:
    return guess.tool == task.call and guess.raw == task.args


async def _invoke(tool: Tool, arguments: dict[str, Any]) -> object:
    if tool.is_async:
        return await tool.function(**arguments)
    return await anyio.to_thread.run_sync(partial(tool.function, **arguments), abandon_on_cancel=True)
