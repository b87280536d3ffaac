"""How many calls may run at the same time, how many may begin in a time, and when a tool is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

import anyio

from executor.errors import CircuitOpen
from executor.tool import Breaker, Rate, Tool


class Limits:
    """Places for calls: a number over all tools, and a number for each tool that asks for one.

    Args:
        tools: those with a `concurrency`, `rate` or `breaker` get one of their own.
        concurrency: calls at the same time, over all tools; None for no limit.
        clock: monotonic seconds.

    Raises:
        ValueError: a limit below 1.
    """

    def __init__(
        self,
        tools: Iterable[Tool],
        concurrency: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"a concurrency of {concurrency} lets nothing run; leave it out for no limit")
        every = [*tools]
        self._overall = None if concurrency is None else Places(concurrency)
        self._of_tool = {tool.name: Places(tool.concurrency) for tool in every if tool.concurrency}
        self._rates = {tool.name: Pace(tool.rate, clock) for tool in every if tool.rate}
        self._circuits = {tool.name: Circuit(tool.breaker, tool.name, clock) for tool in every if tool.breaker}

    @property
    def any_overall(self) -> bool:
        """Whether calls of every tool have to wait for a place."""
        return self._overall is not None

    @property
    def any(self) -> bool:
        """Whether calls of any tool may have to wait for a place."""
        return self._overall is not None or bool(self._of_tool)

    def place(self, tool: Tool, priority: float = 0.0) -> Place:
        """A place for one call of `tool`, held while the returned context is entered.

        Of those who wait, the one with the greatest `priority` comes first; equals come in order.
        """
        # The tool's own limit first: who waits there must not keep others from running.
        places = (self._of_tool.get(tool.name), self._overall)
        return Place([one for one in places if one is not None], self._rates.get(tool.name), priority)

    def circuit(self, tool: Tool) -> Circuit | None:
        """The tool's circuit breaker, if it has one."""
        return self._circuits.get(tool.name)


class Places:
    """A number of places, and those who wait for one, the greatest priority first.

    A place that is given back goes to the next a turn of the event loop later (a worker may let others have theirs
    in between), so that a task which the call has just made ready is among those who may have it.
    """

    __slots__ = ("_free", "_granting", "_number", "_waiting")

    def __init__(self, number: int) -> None:
        self._free = number
        self._number = 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._granting = False

    async def acquire(self, priority: float) -> None:
        """Takes a place, as soon as there is one."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heappush(self._waiting, (-priority, self._number, granted))
        try:
            await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self.release()  # it was granted in the same moment
            raise

    def release(self) -> None:
        """Gives a place back, to whoever is next."""
        self._free += 1
        if self._waiting and not self._granting:
            self._granting = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._grant)

    def _grant(self) -> None:
        self._granting = False
        while self._free and self._waiting:
            _, _, granted = heappop(self._waiting)
            if not granted.done():
                self._free -= 1
                granted.set_result(None)


class Pace:
    """Lets calls begin at a rate (the generic cell rate algorithm: one number, no queue)."""

    __slots__ = ("_burst", "_clock", "_interval", "_next")

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._interval = rate.per / rate.calls
        self._burst = rate.per - self._interval
        self._clock = clock
        self._next = 0.0

    async def wait(self) -> None:
        """Waits for this call's turn. A caller that is cancelled while it waits has used up its turn."""
        now = self._clock()
        due = max(self._next, now)
        self._next = due + self._interval
        if (wait := due - self._burst - now) > 0:
            await anyio.sleep(wait)


class Circuit:
    """Counts a tool's failures in a row, and says when it may be called."""

    __slots__ = ("_breaker", "_clock", "_failures", "_probing", "_tool", "_until")

    def __init__(self, breaker: Breaker, tool: str, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._tool = tool
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._probing = False

    def enter(self, task: str) -> None:
        """A call is about to be made. Raises CircuitOpen where it must not."""
        if self._failures < self._breaker.failures:
            return
        left = self._until - self._clock()
        if left > 0 or self._probing:
            when = f"in {left:.1f} s" if left > 0 else "when the call under way has ended"
            raise CircuitOpen(
                f"task {task}: {self._tool} failed {self._failures} times in a row and is left alone; "
                f"it may be called again {when}",
                task=task,
            )
        self._probing = True

    def leave(self, ok: bool | None) -> None:
        """The call ended: well, badly, or (None) it was cancelled, which says nothing about the tool."""
        self._probing = False
        if ok:
            self._failures = 0
        elif ok is False:
            self._failures += 1
            self._until = self._clock() + self._breaker.reset


class Place:
    """Holds a place of each of `places`; waits until they are free and the pace allows it."""

    __slots__ = ("_pace", "_places", "_priority")

    def __init__(self, places: list[Places], pace: Pace | None, priority: float) -> None:
        self._places = places
        self._pace = pace
        self._priority = priority

    async def __aenter__(self) -> None:
        if self._pace is not None:
            await self._pace.wait()
        held: list[Places] = []
        try:
            for places in self._places:
                await places.acquire(self._priority)
                held.append(places)
        except BaseException:
            for places in held:
                places.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        for places in reversed(self._places):
            places.release()
