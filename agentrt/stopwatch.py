"""Where a question's time went."""

from __future__ import annotations

import time
from collections.abc import Callable

from agentrt.answer import Timings
from executor import TaskEvent, TaskFailed, TaskFinished, TaskStarted
from planner import Joined, PlanFinished, PlannerEvent


class Stopwatch:
    """Passes events on and adds up where the time went."""

    def __init__(self, observe: Callable[[PlannerEvent | TaskEvent], None]) -> None:
        self._observe = observe
        self._began = time.monotonic()
        self._running: dict[str, float] = {}
        self._first: float | None = None
        self._planning = self._calls = self._joining = 0.0

    def see(self, event: PlannerEvent | TaskEvent) -> None:
        """Takes an event, in order."""
        match event:
            case TaskStarted(now, name):
                self._running[name] = now
                if self._first is None:
                    self._first = now - self._began
            case TaskFinished(now, name) | TaskFailed(now, name):
                self._calls += now - self._running.pop(name, now)
            case PlanFinished():
                self._planning += event.seconds
            case Joined():
                self._joining += event.seconds
            case _:
                pass
        self._observe(event)

    def timings(self) -> Timings:
        """Up to now."""
        wall = time.monotonic() - self._began
        return Timings(wall, self._first, self._planning, self._calls, self._joining)
