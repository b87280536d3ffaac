"""`foreach`: one task's call, made for each element of a list."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from executor.errors import ElementsFailed, PathError
from executor.events import TaskAdded, TaskStarted
from executor.outcomes import Failed, Finished
from executor.plan import Task
from executor.refs import resolve
from executor.settings import ITEM

if TYPE_CHECKING:
    from executor.running import Running


@dataclass(slots=True)
class _Expansion:
    """A `foreach` task whose elements are running."""

    task: Task
    items: list[object]
    limit: int
    done: asyncio.Future[None]
    begun: int = 0
    ended: int = 0
    failed: int = 0
    names: list[str] = field(default_factory=list[str])


class Elements:
    """Runs the elements of one run's `foreach` tasks, each a task of its own.

    Attributes:
        unique: told apart from every other run.
    """

    def __init__(self, run: Running) -> None:
        self._run = run
        self._of: dict[str, _Expansion] = {}
        self.unique = uuid.uuid4().hex

    async def run(self, task: Task) -> tuple[float, object]:
        """The results of all elements, in order, and when the first could begin.

        Raises:
            ElementsFailed: there is no list, it is too long, or an element failed where none may.
        """
        run = self._run
        spec = task.foreach
        assert spec is not None
        items = self._items(task, spec.items)
        if len(items) > spec.max_items:
            raise ElementsFailed(
                f"task {task.id}: foreach has {len(items):,} elements, and max_items is {spec.max_items:,}",
                task=task.id,
            )
        began = run.clock()
        run.steps.observe(TaskStarted(began, task.id))
        if not items:
            return began, []
        loop = asyncio.get_running_loop()
        expansion = _Expansion(task, items, spec.concurrency or len(items), loop.create_future())
        self._begin(expansion)
        run.passive += 1
        try:
            if not expansion.done.done():
                await expansion.done
        finally:
            run.passive -= 1
            for name in expansion.names:
                self._of.pop(name, None)
        return began, self._collected(expansion)

    def ended(self, name: str) -> None:
        """A task has ended; if it is an element, the next one may begin."""
        expansion = self._of.pop(name, None)
        if expansion is None:
            return
        expansion.ended += 1
        if not isinstance(self._run.outcomes[name], Finished):
            expansion.failed += 1
        self._begin(expansion)

    def parent_of(self, task: Task) -> Task:
        """The `foreach` task that `task` is an element of, or `task` itself."""
        expansion = self._of.get(task.id)
        return task if expansion is None else expansion.task

    def _begin(self, expansion: _Expansion) -> None:
        run, task = self._run, expansion.task
        assert task.foreach is not None
        stopping = run.ended_by is not None or (expansion.failed and task.foreach.on_error == "fail")
        while not stopping and expansion.begun < len(expansion.items):
            if expansion.begun - expansion.ended >= expansion.limit:
                return
            self._start(expansion)
        if expansion.begun == expansion.ended and not expansion.done.done():
            expansion.done.set_result(None)

    def _start(self, expansion: _Expansion) -> None:
        run, task, number = self._run, expansion.task, expansion.begun
        name = f"{task.id}[{number}]"
        expansion.begun += 1
        expansion.names.append(name)
        self._of[name] = expansion
        try:
            arguments = run.arguments(task, {ITEM: expansion.items[number]}) if task.dynamic else task.args
        except PathError as error:
            element = Task(name, task.call, {}, on_error="skip", options=task.options)
            self._admit(element)
            run.fail(element, error, run.clock())
            return
        # What an element's failure means is the list's affair, so it ends nothing by itself.
        element = Task(name, task.call, arguments, on_error="skip", options=task.options)
        self._admit(element)
        run.ready.append(element)
        if not run.waking:
            run.wake()

    def _admit(self, element: Task) -> None:
        object.__setattr__(element, "special", True)  # so that its end is heard of here
        self._run.schedule.add(element)
        self._run.steps.observe(TaskAdded(self._run.clock(), element))

    def _items(self, task: Task, written: object) -> list[object]:
        try:
            found = resolve(written, self._run.values)
        except LookupError as error:
            raise PathError(f"task {task.id}: {error}", task=task.id) from error
        kind = type(found).__name__
        if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
            raise ElementsFailed(f"task {task.id}: foreach runs over a list, not over {kind}", task=task.id)
        return list(cast("Iterable[object]", found))

    def _collected(self, expansion: _Expansion) -> list[object]:
        task, outcomes = expansion.task, self._run.outcomes
        assert task.foreach is not None
        ends = [outcomes[name] for name in expansion.names]
        policy = task.foreach.on_error
        if len(ends) < len(expansion.items) or (policy == "fail" and expansion.failed):
            first = next((str(end.error) for end in ends if isinstance(end, Failed)), "the run is ending")
            raise ElementsFailed(
                f"task {task.id}: {expansion.failed} of {len(expansion.items)} elements failed, "
                f"{len(expansion.items) - len(ends)} were not begun; first: {first}",
                task=task.id,
            )
        kept: list[object] = []
        for end in ends:
            if isinstance(end, Finished):
                kept.append(end.value)
            elif policy == "continue":
                kept.append(end.value if isinstance(end, Failed) else {"error": "it was skipped", "type": "Skipped"})
        return kept
