"""Calls at the same time, of which the first that fails ends all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import anyio


async def together(calls: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Runs calls at the same time; the first error cancels the others and is raised as it is, in no group."""
    broken: list[Exception] = []

    async def guarded(call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except Exception as error:
            broken.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(guarded, call)
    if broken:
        raise broken[0]
