"""Results of `pure` tools, kept for equal calls."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from executor.journal import Journal, NotStorable, Redactor, decode, encode
from executor.tool import Tool

Source = Literal["memory", "journal", "flight"]
"""Where a result was: in memory, in the journal, or an equal call was under way."""

# Longer results are kept in memory only. Characters of JSON text.
_LONGEST = 100_000


class ResultCache:
    """Knows the results of calls of `pure` tools. Two equal calls in flight become one.

    Two calls are equal if tool, its schema and the arguments are.

    Args:
        journal: results with a time limit are kept there too, if it is given, for later runs and processes.
        ttl: seconds a result is good for, unless the tool says so itself; None for as long as there is room.
        size: results kept in memory; the ones used longest ago go first.
        redactor: results with a secret in them are not written to the journal.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        ttl: float | None = None,
        size: int = 10_000,
        redactor: Redactor | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._ttl = ttl
        self._size = size
        self._clean = (redactor or Redactor()).clean
        self._clock = clock
        self._kept: OrderedDict[str, tuple[object, float | None]] = OrderedDict()
        self._flights: dict[str, asyncio.Future[object]] = {}
        self._versions: dict[str, tuple[Tool, str]] = {}

    async def get(
        self, tool: Tool, arguments: Mapping[str, object], make: Callable[[], Awaitable[object]]
    ) -> tuple[object, Source | None]:
        """The result of a call, and where it was found; None means that `make` was awaited for it.

        Raises:
            Exception: what `make` raised, also to those who waited for an equal call.
        """
        key = self._key(tool, arguments)
        if key is None:
            return await make(), None
        while True:
            found = self._find(key)
            if found is not None:
                return found
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key, tool, make), None
            # A shield: the call is its maker's, and goes on when one who waits for it is cancelled.
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result(), "flight"
            # Its maker was cancelled: the next one makes the call.

    def clear(self) -> None:
        """Forgets what is in memory."""
        self._kept.clear()

    async def _fly(self, key: str, tool: Tool, make: Callable[[], Awaitable[object]]) -> object:
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            value = await make()
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # nobody may be waiting for it
            raise
        except BaseException:
            flight.cancel()
            raise
        finally:
            del self._flights[key]
        flight.set_result(value)
        self._keep(key, tool, value)
        return value

    def _find(self, key: str) -> tuple[object, Source] | None:
        now = self._clock()
        if key in self._kept:
            value, expires = self._kept[key]
            if expires is None or expires > now:
                self._kept.move_to_end(key)
                return value, "memory"
            del self._kept[key]
        if self._journal is not None and (text := self._journal.recall(key, now=now)) is not None:
            return decode(text), "journal"
        return None

    def _keep(self, key: str, tool: Tool, value: object) -> None:
        ttl = self._ttl if isinstance(tool.cache, bool) else float(tool.cache)
        expires = None if ttl is None else self._clock() + ttl
        self._kept[key] = (value, expires)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        if expires is None or self._journal is None or not self._journal.writable:
            return
        try:
            text = encode(value)
        except NotStorable:
            return
        if len(text) <= _LONGEST and self._clean(text) is text:
            self._journal.remember(key, text, expires=expires)

    def _key(self, tool: Tool, arguments: Mapping[str, object]) -> str | None:
        known = self._versions.get(tool.name)
        if known is None or known[0] is not tool:
            known = self._versions[tool.name] = (tool, tool.version)
        try:
            text = encode([known[1], sorted(arguments.items())])
        except NotStorable:
            return None
        return hashlib.sha256(text.encode()).hexdigest()
