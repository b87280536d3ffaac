"""One engine for several threads: whoever waits for an answer steps the engine for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from agentrt.serving.rsd.engine import Engine
from agentrt.serving.rsd.errors import EngineClosed
from agentrt.serving.rsd.request import Progress, Request


class SharedEngine:
    """Runs requests of many threads in one batch, without a thread of its own.

    Args:
        engine: the engine; nobody else may step it from now on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._inbox: dict[int, list[Progress | BaseException]] = {}

    def run(self, request: Request, cancelled: threading.Event | None = None) -> Iterator[Progress]:
        """Yield a request's progress until it ends; closing the iterator, or setting `cancelled`, cancels the request.

        Raises:
            RSDError: whatever `Engine.add` and `Engine.step` raise.
        """
        with self._lock:
            number = self._engine.add(request)
            self._inbox[number] = []
        try:
            while True:
                for progress in self._wait(number, cancelled):
                    yield progress
                    if progress.finish is not None:
                        return
        finally:
            with self._lock:
                self._engine.cancel(number)
                self._inbox.pop(number, None)

    def close(self) -> None:
        """Free the engine's caches; running requests get `EngineClosed`."""
        with self._lock:
            self._engine.close()
            for box in self._inbox.values():
                box.append(EngineClosed("the engine was closed while this request ran: make a new one"))

    def _wait(self, number: int, cancelled: threading.Event | None) -> list[Progress]:
        with self._lock:
            if cancelled is not None and cancelled.is_set():
                self._engine.cancel(number)
            if not self._inbox[number]:
                self._step()
            found, self._inbox[number] = self._inbox[number], []
        progress: list[Progress] = []
        for item in found:
            if isinstance(item, BaseException):
                raise item
            progress.append(item)
        return progress

    def _step(self) -> None:
        try:
            for progress in self._engine.step():
                if progress.request in self._inbox:
                    self._inbox[progress.request].append(progress)
        except Exception as error:
            # The whole round is lost, so everybody in it must hear of it, not only the thread that stepped.
            for box in self._inbox.values():
                box.append(error)
