"""Ctrl-C stops what runs and not the program; a hang-up or a polite kill ends the program in good order."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskStatus


class Interrupted(Exception):
    """What was being done was stopped by Ctrl-C."""


class Interrupts:
    """Receives signals for as long as `watch` runs.

    Attributes:
        ended_by: the number of the signal that ended the program; None while it goes on.
    """

    def __init__(self) -> None:
        self.ended_by: int | None = None
        self._running: list[anyio.CancelScope] = []
        self._everything: anyio.CancelScope | None = None

    async def watch(
        self, everything: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Acts on signals; `everything` is cancelled by those that end the program."""
        self._everything = everything
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number != signal.SIGINT:
                    self.end(number)
                elif self._running and not self._running[-1].cancel_called:
                    self._running[-1].cancel()
                elif self._running:  # the second Ctrl-C, while the first is still being acted on
                    self.end(number)

    def interrupt(self) -> None:
        """As if Ctrl-C had been pressed."""
        if self._running:
            self._running[-1].cancel()

    def end(self, number: int) -> None:
        """Ends the program as a signal would."""
        self.ended_by = number
        if self._everything is not None:
            self._everything.cancel()

    @contextmanager
    def stoppable(self) -> Generator[None]:
        """A block that Ctrl-C stops.

        Raises:
            Interrupted: it did.
        """
        with anyio.CancelScope() as scope:
            self._running.append(scope)
            try:
                yield
            finally:
                self._running.remove(scope)
        if scope.cancelled_caught:
            raise Interrupted
