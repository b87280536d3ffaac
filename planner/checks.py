"""What a plan may say: from calls as they were written to tasks that can run.

Every way a model writes plans (lines, lines under a grammar, JSON) ends in `Call`s, and they all pass
through here. Tasks come out in an order in which each follows everything it needs: a call that refers
forward is held until what it refers to has been accepted, so that a circle or a reference to nothing
never reaches the executor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from executor import (
    ArgumentMismatch,
    CycleError,
    DuplicateTask,
    Plan,
    PlanError,
    Task,
    Tool,
    Toolset,
    TooManyTasks,
    UnknownReference,
)
from planner.errors import Place, PlanNotice, PlanProblem
from planner.rewrite import without_mentions
from planner.values import Argument

Item = Task | PlanNotice | PlanProblem
"""What reading a plan yields."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was written. `id` is None where it had no number; `places` has one place an argument."""

    id: str | None
    tool: str
    arguments: Sequence[Argument]
    place: Place
    places: Sequence[Place] = ()
    thought: str = ""


class PlanChecker:
    """Turns calls into tasks, or says what is wrong with them.

    Args:
        tools: the tools that may be called.
        max_tasks: tasks a plan may have, not counting earlier plans.
        known: ids of an earlier plan's tasks, which calls may refer to but not define again.
        repeats: whether a call that was already accepted, word for word, is passed over with a warning.
            A model that corrects a plan often starts from its first line.
    """

    def __init__(
        self, tools: Toolset, *, max_tasks: int = 1_000, known: Iterable[str] = (), repeats: bool = False
    ) -> None:
        self.tools = tools
        self.max_tasks = max_tasks
        self.repeats = repeats
        self.known = frozenset(known)
        # In the order they were written: tasks given out, and tasks that wait for an id.
        self._tasks: dict[str, Task] = {}
        self._held: dict[str, Place] = {}
        self._waiting_for: dict[str, dict[str, None]] = {}
        # Ids whose line had a problem: a reference to one of them is no second problem.
        self._broken: set[str] = set()
        self._highest = max((int(name) for name in self.known if name.isdecimal()), default=0)

    @property
    def accepted(self) -> list[Task]:
        """The calls without a problem so far, in the order they were written; some may still be held."""
        return list(self._tasks.values())

    @property
    def broken(self) -> list[str]:
        """Numbers of the lines that had a problem and were not written again, lowest first."""
        return sorted(self._broken - self._tasks.keys(), key=lambda name: (len(name), name))

    @property
    def next_id(self) -> int:
        """The number the next line should have."""
        return self._highest + 1

    def add(self, call: Call) -> list[Item]:
        """Checks one call; gives the tasks that became complete, and what is wrong or odd."""
        if len(self._tasks) >= self.max_tasks:
            return [PlanProblem(call.place, TooManyTasks(self.max_tasks))]
        items: list[Item] = []
        try:
            task = self._task(call, items)
            if task is not None:
                self._admit(task, call.place, items)
        except _Refused as refused:
            self.refuse(call.id)
            items.append(PlanProblem(refused.place, refused.error))
        return items

    def preview(self, call: Call) -> Task | None:
        """The task `call` would make, if nothing is wrong with it; nothing is accepted."""
        highest = self._highest
        try:
            return self._task(call, [])
        except _Refused:
            return None
        finally:
            self._highest = highest

    def refuse(self, task_id: str | None) -> None:
        """Notes that the line with this number could not be read."""
        if task_id is not None and task_id not in self._tasks:
            self._broken.add(task_id)

    def close(self) -> list[Item]:
        """No more calls will come: gives what could not be given before, or says why it cannot run.

        Calls that need what no line defines are forgotten, so that a correction may write them again.
        """
        items: list[Item] = []
        for name, place in list(self._held.items()):
            absent = self._absent(self._tasks[name].mentions)
            if absent:
                items.append(_taken_as_text(absent, place))
                self._tasks[name] = without_mentions(self._tasks[name], set(absent))
        self._give_complete(items)
        for name, place in list(self._held.items()):
            missing = [need for need in self._absent(self._tasks[name].needs) if need not in self._broken]
            if missing:
                error = UnknownReference(
                    name, missing, [*self.known, *(other for other in self._tasks if other != name)]
                )
                items.append(PlanProblem(place, error))
                self._forget(name)
        return items

    def _task(self, call: Call, items: list[Item]) -> Task | None:
        name = str(self.next_id) if call.id is None else call.id
        if call.id is None:
            items.append(PlanNotice(call.place, f"this line has no number; it was taken as {name}"))
        try:
            tool = self.tools.find(call.tool, task=name)
            task = Task(name, call.tool, self._bind(tool, call, name, items), thought=call.thought)
            if earlier := self._tasks.get(name):
                if self.repeats and (earlier.call, earlier.args) == (task.call, task.args):
                    items.append(
                        PlanNotice(call.place, f"task {name} was already accepted; the repetition is left out")
                    )
                    return None
                raise DuplicateTask(name)
            if name in self.known:
                raise DuplicateTask(name)
            if name in task.needs:
                raise CycleError([name, name])
        except ArgumentMismatch as error:
            names = [parameter.name for parameter in self.tools[call.tool].signature.parameters]
            raise _Refused(_place_of(error, call, names), error) from None
        except PlanError as error:
            raise _Refused(call.place, error) from None
        if name.isdecimal():
            self._highest = max(self._highest, int(name))
        return task

    def _bind(self, tool: Tool, call: Call, name: str, items: list[Item]) -> dict[str, object]:
        positional = [argument.value for argument in call.arguments if argument.name is None]
        named = {argument.name: argument.value for argument in call.arguments if argument.name is not None}
        bound, problems = tool.signature.bind(positional, named)
        if not problems:
            return bound
        if not named and len(positional) == 1 and isinstance(positional[0], Mapping):
            # f({"a": 1}) for f(a=1), as models trained on JSON tool calls write it.
            unpacked, left = tool.signature.bind((), cast(Mapping[str, object], positional[0]))
            if not left:
                items.append(PlanNotice(call.place, "one object with all arguments was taken apart"))
                return unpacked
        numbers = [_as_written(argument) for argument in call.arguments]
        bound, left = tool.signature.bind(
            [argument.value for argument in numbers if argument.name is None],
            {argument.name: argument.value for argument in numbers if argument.name is not None},
        )
        if not left:
            items.append(PlanNotice(call.place, "a number without quotes was taken as text, which the tool wants"))
            return bound
        raise ArgumentMismatch(call.tool, problems, task=name)

    def _admit(self, task: Task, place: Place, items: list[Item]) -> None:
        missing = self._missing(task)
        if not missing:
            self._give(task, items)
            return
        if task.id in self._waiting_for:
            task = self._open_circles(task, place, items)
        self._tasks[task.id] = task
        self._held[task.id] = place
        self._broken.discard(task.id)
        for need in missing:
            self._waiting_for.setdefault(need, {})[task.id] = None
        self._give_complete(items)

    def _give(self, task: Task, items: list[Item]) -> None:
        given = [task]
        for ready in given:
            self._tasks[ready.id] = ready
            self._held.pop(ready.id, None)
            self._broken.discard(ready.id)
            items.append(ready)
            waiting = self._waiting_for.pop(ready.id, ())
            given.extend(self._tasks[name] for name in waiting if self._is_complete(name))

    def _give_complete(self, items: list[Item]) -> None:
        for name in list(self._held):
            if self._is_complete(name):
                self._give(self._tasks[name], items)

    def _open_circles(self, task: Task, place: Place, items: list[Item]) -> Task:
        """Opens the circles that only a number in a text closes ("a $2 coin"); `task` may have to change for it."""
        tasks = {name: self._tasks[name] for name in self._held} | {task.id: task}
        while circle := _circle(tasks.values()):
            weak = next(((name, need) for name, need in pairwise(circle) if need in tasks[name].mentions), None)
            if weak is None:
                raise _Refused(place, CycleError(circle))
            name, need = weak
            tasks[name] = without_mentions(tasks[name], {need})
            items.append(_taken_as_text([need], self._held.get(name, place)))
        self._tasks |= tasks
        return tasks[task.id]

    def _is_complete(self, name: str) -> bool:
        return name in self._held and not self._missing(self._tasks[name])

    def _missing(self, task: Task) -> list[str]:
        return [need for need in (*task.needs, *task.mentions) if not self._has_been_given(need)]

    def _has_been_given(self, name: str) -> bool:
        return name in self.known or (name in self._tasks and name not in self._held)

    def _absent(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self.known and name not in self._tasks]

    def _forget(self, name: str) -> None:
        del self._tasks[name]
        del self._held[name]
        self._broken.add(name)


def _circle(tasks: Iterable[Task]) -> tuple[str, ...]:
    written = list(tasks)
    try:
        Plan(written, known={need for task in written for need in task.needs})
    except CycleError as error:
        return error.path
    return ()


class _Refused(Exception):
    def __init__(self, place: Place, error: PlanError) -> None:
        super().__init__(str(error))
        self.place = place
        self.error = error


def _taken_as_text(names: Sequence[str], place: Place) -> PlanNotice:
    dollars = ", ".join(f"${name}" for name in names)
    return PlanNotice(place, f"{dollars} is taken as text, not as a reference; write $$ for a dollar")


def _as_written(argument: Argument) -> Argument:
    return argument._replace(value=argument.raw) if isinstance(argument.value, int | float) else argument


def _place_of(error: ArgumentMismatch, call: Call, parameters: Sequence[str]) -> Place:
    """The place of the first argument that the error speaks of, or else of the call."""
    positional = iter(parameters)
    for argument, place in zip(call.arguments, call.places, strict=False):
        name = next(positional, None) if argument.name is None else argument.name
        if name is not None and any(_speaks_of(text, name) for text in error.problems):
            return place
    return call.place


def _speaks_of(problem: str, name: str) -> bool:
    return problem.split(" ")[0].split(".")[0].split("[")[0] == name or f"argument {name!r}" in problem
