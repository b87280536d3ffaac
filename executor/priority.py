"""Which of those who wait for a place goes first: the task with the longest way still to go behind it.

The way is measured in seconds where the journal knows how long a tool's calls take, and in tasks where it does not.
This is the critical-path list scheduling of Graham's model; it needs the plan's shape, not its future.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from executor.events import TaskAdded, TaskEvent
from executor.plan import Task


class Priorities:
    """The longest remaining path behind each task of a plan, as it grows.

    Args:
        durations: mean seconds of a call, by tool.
    """

    def __init__(self, durations: Mapping[str, float]) -> None:
        self._durations = dict(durations)
        # A tool nobody knows yet takes as long as the others on average.
        self._usual = sum(durations.values()) / len(durations) if durations else 1.0
        self._own: dict[str, float] = {}
        self._path: dict[str, float] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        # What a task that is not added yet must reach at least, because others wait for it.
        self._behind: dict[str, float] = {}

    def of(self, name: str) -> float:
        """The longest path from this task to the end of the plan, itself included."""
        return self._path.get(name, 0.0)

    def add(self, task: Task) -> None:
        """Adds a task; paths grow back to everything it rests on."""
        if task.id in self._path:
            return
        own = self._durations.get(task.call, self._usual)
        self._own[task.id] = own
        self._needs[task.id] = task.needs + task.mentions
        self._path[task.id] = 0.0
        grown = [(task.id, own + self._behind.pop(task.id, 0.0))]
        while grown:
            name, path = grown.pop()
            if path <= self._path[name]:
                continue
            self._path[name] = path
            for need in self._needs[name]:
                if need in self._path:
                    grown.append((need, self._own[need] + path))
                else:
                    self._behind[need] = max(path, self._behind.get(need, 0.0))

    def add_all(self, tasks: Iterable[Task]) -> None:
        """Adds a whole plan, last tasks first, so that in a plan written in order each path is found once."""
        for task in reversed([*tasks]):
            self.add(task)

    def seeing(self, write: Callable[[TaskEvent], None]) -> Callable[[TaskEvent], None]:
        """An observer that learns of every task that is added, and hands on to `write`."""

        def see(event: TaskEvent) -> None:
            if type(event) is TaskAdded:
                self.add(event.task)
            write(event)

        return see
