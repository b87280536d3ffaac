"""Work that tells what happens while it goes on, as a stream of events that its reader may leave at any time."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

E = TypeVar("E")


async def streamed(group: TaskGroup, working: Callable[[Callable[[E], None]], Awaitable[E]]) -> AsyncGenerator[E]:
    """The events of `working`, which is given a function to tell them to and returns the last one.

    Closing the stream cancels the work. What it raises is raised here, after the events before it.

    Args:
        group: where the work runs; it outlives the stream.
        working: the work.
    """
    # Unbounded in principle; in fact bounded by max_tasks, max_plan_tokens and max_replans.
    sender, receiver = anyio.create_memory_object_stream[E](math.inf)
    failure: Exception | None = None
    scope = anyio.CancelScope()

    async def work() -> None:
        nonlocal failure
        with scope, sender:
            try:
                sender.send_nowait(await working(sender.send_nowait))
            except Exception as error:  # handed to whoever reads the stream
                failure = error

    group.start_soon(work)
    try:
        with receiver:
            async for event in receiver:
                yield event
    finally:
        scope.cancel()
    if failure is not None:
        raise failure
