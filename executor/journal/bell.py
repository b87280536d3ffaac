"""How a process that left a letter tells the one that works on the run: a named pipe beside the journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Bell:
    """A named pipe that is rung by writing a byte to it, and heard without polling."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hearers: list[Callable[[], None]] = []
        self._pipe: int | None = None

    def ring(self) -> None:
        """Tells whoever listens; nobody may."""
        with suppress(OSError):  # no pipe, or nobody at its other end
            pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` in this event loop at every ring; returns what ends that."""
        loop = asyncio.get_running_loop()
        if self._pipe is None:
            with suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
            self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
            loop.add_reader(self._pipe, self._rung)
        self._hearers.append(callback)

        def stop() -> None:
            self._hearers.remove(callback)
            if not self._hearers and self._pipe is not None:
                loop.remove_reader(self._pipe)
                os.close(self._pipe)
                self._pipe = None
                with suppress(OSError):
                    self._path.unlink()

        return stop

    def _rung(self) -> None:
        if self._pipe is not None:
            with suppress(BlockingIOError):
                os.read(self._pipe, 4096)
        for hearer in [*self._hearers]:
            hearer()
