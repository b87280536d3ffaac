"""How many calls may run at the same time."""

from __future__ import annotations

from collections.abc import Iterable

import anyio

from executor.tool import Tool


class Limits:
    """Places for calls: a number over all tools, and a number for each tool that asks for one.

    Args:
        tools: those with a `concurrency` get a limit of their own.
        concurrency: calls at the same time, over all tools; None for no limit.

    Raises:
        ValueError: a limit below 1.
    """

    def __init__(self, tools: Iterable[Tool], concurrency: int | None = None) -> None:
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"a concurrency of {concurrency} lets nothing run; leave it out for no limit")
        self._overall = None if concurrency is None else anyio.CapacityLimiter(concurrency)
        self._of_tool = {tool.name: anyio.CapacityLimiter(tool.concurrency) for tool in tools if tool.concurrency}

    @property
    def any_overall(self) -> bool:
        """Whether calls of every tool have to wait for a place."""
        return self._overall is not None

    def place(self, tool: Tool) -> Place:
        """A place for one call of `tool`, held while the returned context is entered."""
        # The tool's own limit first: who waits there must not keep others from running.
        limiters = (self._of_tool.get(tool.name), self._overall)
        return Place([limiter for limiter in limiters if limiter is not None])


class Place:
    """Holds a token of each limiter it was made with; waits until they are free."""

    __slots__ = ("_limiters",)

    def __init__(self, limiters: list[anyio.CapacityLimiter]) -> None:
        self._limiters = limiters

    async def __aenter__(self) -> None:
        held: list[anyio.CapacityLimiter] = []
        try:
            for limiter in self._limiters:
                await limiter.acquire_on_behalf_of(self)
                held.append(limiter)
        except BaseException:
            for limiter in held:
                limiter.release_on_behalf_of(self)
            raise

    async def __aexit__(self, *_: object) -> None:
        for limiter in reversed(self._limiters):
            limiter.release_on_behalf_of(self)
