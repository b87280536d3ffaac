"""Which of several servers gets the next request: the one with the fewest of ours, unless it just failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager


class Endpoints:
    """Equal servers behind one chat model.

    Args:
        urls: Their API roots.
        rest: Seconds a server that failed is left alone, unless all have failed.
        clock: Monotonic seconds.
    """

    def __init__(self, urls: Sequence[str], *, rest: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.urls = tuple(dict.fromkeys(urls))
        self._rest = rest
        self._clock = clock
        self._load = dict.fromkeys(self.urls, 0)
        self._tired = dict.fromkeys(self.urls, float("-inf"))

    @contextmanager
    def least_loaded(self, tried: Collection[str] = ()) -> Generator[str]:
        """The server for a request, which counts as its load for the length of the block.

        Args:
            tried: Those where this request has failed.
        """
        url = self._choose(tried)
        self._load[url] += 1
        try:
            yield url
        finally:
            self._load[url] -= 1

    def failed(self, url: str) -> None:
        """Leave a server alone for a while."""
        self._tired[url] = self._clock() + self._rest

    def left(self, tried: Collection[str]) -> bool:
        """Whether there is a server where a request has not failed yet."""
        return len(set(self.urls) - set(tried)) > 0

    def _choose(self, tried: Collection[str]) -> str:
        now = self._clock()
        fresh = [url for url in self.urls if url not in tried] or list(self.urls)
        return min(fresh, key=lambda url: (self._tired[url] > now, self._load[url]))
