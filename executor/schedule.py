"""Which task may start when: the pure core of the executor.

No I/O, no clock, no awaits. Each edge is touched once when it is added and once when it is satisfied.
The same core runs live and replays a journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import NamedTuple

from executor.errors import CycleError, DuplicateTask, UnknownReference
from executor.plan import Task, find_cycle


class State(Enum):
    """Where a task stands."""

    WAITING = "waiting"
    READY = "ready"
    FINISHED = "finished"
    FAILED = "failed"
    SKIPPED = "skipped"


# An enum's members are slow to look up, and these are looked up for every edge.
_WAITING, _READY, _FINISHED, _FAILED, _SKIPPED = State


class Closing(NamedTuple):
    """What the end of a plan changed: tasks that may start now, and tasks that never can, with the reason."""

    ready: list[str]
    unresolved: dict[str, UnknownReference]


class Schedule:
    """A growing DAG of tasks and their states.

    A task may need ids that are not defined yet; it waits for them. `close` says that no more tasks come.

    Args:
        settled: states of an earlier plan's tasks, which new tasks may refer to.

    Attributes:
        tasks: those added so far, by id. To be read only.
    """

    __slots__ = ("_blocked", "_dependents", "_forward", "_mentions", "_states", "tasks")

    def __init__(self, settled: Mapping[str, State] | None = None) -> None:
        self._states: dict[str, State] = dict(settled or {})
        self.tasks: dict[str, Task] = {}
        self._blocked: dict[str, int] = {}
        self._dependents: dict[str, list[str]] = {}
        # Ids that are needed but not defined, and the tasks whose text mentions such an id.
        self._forward: set[str] = set()
        self._mentions: dict[str, None] = {}

    def state(self, task_id: str) -> State:
        """The state of a task. Raises KeyError for an id that is not defined."""
        return self._states[task_id]

    def has_no_value(self, task_id: str) -> bool:
        """Whether the task failed or was skipped, so that whoever needs it cannot run."""
        return self._states.get(task_id) in (_FAILED, _SKIPPED)

    def add(self, task: Task) -> State:
        """Adds a task and says whether it is ready, waits, or is skipped because something it needs failed.

        Tasks that were already waiting for a skipped one are skipped by calling `skip` with its id.

        Raises:
            DuplicateTask: the id is taken.
            CycleError: the task closes a circle; it is not added.
        """
        task_id = task.id
        states = self._states
        if task_id in states:
            raise DuplicateTask(task_id)
        needs = task.needs + task.mentions if task.mentions else task.needs
        if needs:
            if task_id in task.needs:
                raise CycleError([task_id, task_id])
            if task_id in self._forward:
                self._refuse_circle(task, needs)
        self.tasks[task_id] = task
        self._forward.discard(task_id)
        dependents = self._dependents
        blocked = 0
        for need in needs:
            state = states.get(need)
            if state is _FINISHED:
                continue
            if state is None:
                self._forward.add(need)
                if task.mentions:
                    self._mentions[task_id] = None
            elif state is _FAILED or state is _SKIPPED:
                # Where it has been entered as a dependent it is passed over, because it is not blocked.
                states[task_id] = _SKIPPED
                return _SKIPPED
            blocked += 1
            if need in dependents:
                dependents[need].append(task_id)
            else:
                dependents[need] = [task_id]
        if not blocked:
            states[task_id] = _READY
            return _READY
        self._blocked[task_id] = blocked
        states[task_id] = _WAITING
        return _WAITING

    def finish(self, task_id: str) -> list[str]:
        """Marks a task finished; returns the ids that became ready, in the order they were added."""
        states = self._states
        states[task_id] = _FINISHED
        dependents = self._dependents.pop(task_id, None)
        if dependents is None:
            return []
        ready: list[str] = []
        blocked = self._blocked
        for name in dependents:
            left = blocked.get(name)
            if left is None:
                continue
            if left == 1:
                del blocked[name]
                states[name] = _READY
                ready.append(name)
            else:
                blocked[name] = left - 1
        return ready

    def fail(self, task_id: str) -> list[str]:
        """Marks a task failed; returns the ids of waiting tasks that can no longer run, nearest first."""
        self._states[task_id] = _FAILED
        return self._skip_dependents(task_id)

    def skip(self, task_id: str) -> list[str]:
        """Marks a ready or waiting task skipped; returns the ids skipped because of it, nearest first."""
        self._blocked.pop(task_id, None)
        self._states[task_id] = _SKIPPED
        return self._skip_dependents(task_id)

    def close(self) -> Closing:
        """No more tasks will come: settles references to ids that no task defines.

        Inside longer text such a reference was only a dollar amount, and its task may start. A task that
        needs such an id as a value never can: it is given with its error, for the caller to `fail`.
        """
        unresolved: dict[str, UnknownReference] = {}
        ready: list[str] = []
        for name in list(self._blocked) if self._forward else ():
            missing = [need for need in self.tasks[name].needs if need not in self._states]
            if missing:
                del self._blocked[name]
                unresolved[name] = UnknownReference(name, missing, list(islice(self.tasks, 20)))
        for name in [name for name in self._mentions if name in self._blocked]:
            undefined = sum(need not in self._states for need in self.tasks[name].mentions)
            self._blocked[name] -= undefined
            if not self._blocked[name]:
                del self._blocked[name]
                self._states[name] = _READY
                ready.append(name)
        self._mentions.clear()
        self._forward.clear()
        return Closing(ready, unresolved)

    def _skip_dependents(self, task_id: str) -> list[str]:
        skipped: list[str] = []
        queue = self._dependents.pop(task_id, [])
        while queue:
            following: list[str] = []
            for name in queue:
                if self._blocked.pop(name, None) is None:
                    continue
                self._states[name] = _SKIPPED
                skipped.append(name)
                following.extend(self._dependents.pop(name, ()))
            queue = following
        return skipped

    def _refuse_circle(self, task: Task, needs: Iterable[str]) -> None:
        # Only a task that others already wait for can close a circle, so this search is rare.
        def waits_for(name: str) -> Iterable[str]:
            if name == task.id:
                return needs
            if name not in self._blocked:
                return ()
            waiting = self.tasks[name]
            return (*waiting.needs, *waiting.mentions)

        if cycle := find_cycle([task.id], waits_for):
            raise CycleError(cycle)
