"""A replan must not make a call again whose result is there."""

from __future__ import annotations

import json
from collections.abc import Sequence

from executor import Finished, Task
from planner.rewrite import renamed
from planner.rounds import Round


class Reuse:
    """Lets the tasks of a further round through, but for calls that an earlier round has finished.

    A later reference to such a task points to the earlier one instead. That holds for tools of every
    effect: a `once` call least of all may run again because a model wrote it twice. Calls that failed
    may be tried again.

    Attributes:
        new: how many of the calls so far no earlier round has made, with whatever outcome. A further
            round that ends with none made no progress.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self.new = 0
        self._earlier: dict[str, Task] = {}
        self._finished: set[str] = set()
        self._names: dict[str, str] = {}
        for done in rounds:
            for task in done.plan:
                self._earlier.setdefault(_call(task), task)
                if isinstance(done.outcomes.get(task.id), Finished):
                    self._earlier[_call(task)] = task
                    self._finished.add(task.id)

    def take(self, task: Task) -> Task | str:
        """`task` as it should run, or the id of the earlier task that already has its result.

        Tasks must come after those they need, as the planner gives them.
        """
        task = renamed(task, self._names)
        earlier = self._earlier.get(_call(task))
        if earlier is None:
            self.new += 1
            return task
        if earlier.id not in self._finished:
            return task
        self._names[task.id] = earlier.id
        return earlier.id


def _call(task: Task) -> str:
    return json.dumps([task.call, task.to_json()["args"]], sort_keys=True)
