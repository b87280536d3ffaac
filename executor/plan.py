"""The plan: tasks, what they need, and the whole they make.

Every way of writing a plan (text lines, JSON, YAML, Python) ends here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from executor.conditions import Condition, condition_from_json, condition_references, condition_to_json
from executor.errors import CycleError, DuplicateTask, PlanError, UnknownReference
from executor.refs import parse_tree, references, render_tree
from executor.settings import ITEM, ForEach, TaskOptions

if TYPE_CHECKING:
    import networkx as nx

FailurePolicy = Literal["fail", "skip", "continue"]
"""What a failed task means: `fail` ends the run, `skip` skips its dependents, `continue` makes the error its value."""


@dataclass(frozen=True, slots=True)
class Task:
    """One call of one tool.

    Attributes:
        id: unique in its run; in text plans the line's number.
        call: the tool's name.
        args: keyword arguments; `Ref` and `Text` may stand anywhere inside.
        after: ids to wait for whose results are not used.
        on_error: overrides the tool's failure policy.
        thought: why the planner wants this call, where it said so.
        foreach: makes the call once for each element of a list.
        when: the call is made only if this holds; else the task and those that use its result are skipped, while
            those that only come `after` it run.
        options: settings that override the tool's.
        needs: ids that must finish first, from whole-value references and `after`. Computed.
        mentions: ids referred to inside longer text; waited for only if a task defines them. Computed.
        dynamic: names of the arguments that hold references, to be resolved before the call. Computed.
        special: whether there is more to it than its call: `foreach`, `when` or `options`. Computed.
    """

    id: str
    call: str
    args: Mapping[str, object] = field(default_factory=dict[str, object])
    after: tuple[str, ...] = ()
    on_error: FailurePolicy | None = None
    thought: str = ""
    foreach: ForEach | None = None
    when: Condition | None = None
    options: TaskOptions | None = None
    needs: tuple[str, ...] = field(init=False, default=(), compare=False)
    mentions: tuple[str, ...] = field(init=False, default=(), compare=False)
    dynamic: tuple[str, ...] = field(init=False, default=(), compare=False)
    special: bool = field(init=False, default=False, compare=False)

    def __post_init__(self) -> None:
        found = {name: refs for name, value in self.args.items() if (refs := list(references(value)))}
        if self.foreach is not None or self.when is not None or self.options is not None:
            object.__setattr__(self, "special", True)
        if not found and not self.special:
            if self.after:
                object.__setattr__(self, "needs", tuple(dict.fromkeys(self.after)))
            return
        every = [ref for refs in found.values() for ref in refs]
        if self.foreach is not None:
            every = [(ref, whole) for ref, whole in every if ref.task != ITEM]
            every.extend(references(self.foreach.items))
        if self.when is not None:
            every.extend(condition_references(self.when))
        needs = dict.fromkeys(self.after) | {ref.task: None for ref, whole in every if whole}
        # A task's own number inside its text ("$3 tax" in task 3) cannot be a reference.
        weak = {ref.task: None for ref, whole in every if not whole and ref.task not in (self.id, *needs)}
        object.__setattr__(self, "needs", tuple(needs))
        object.__setattr__(self, "mentions", tuple(weak))
        object.__setattr__(self, "dynamic", tuple(found))

    def to_json(self) -> dict[str, object]:
        """The task as plain JSON data; references are written in their text form."""
        data: dict[str, object] = {"id": self.id, "call": self.call, "args": render_tree(self.args)}
        if self.after:
            data["after"] = list(self.after)
        if self.on_error:
            data["on_error"] = self.on_error
        if self.thought:
            data["thought"] = self.thought
        if self.foreach is not None:
            data["foreach"] = self.foreach.to_json()
        if self.when is not None:
            data["when"] = condition_to_json(self.when)
        if self.options is not None:
            data["options"] = self.options.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """The inverse of `to_json`.

        Raises:
            PlanError: `data` does not describe a task; the message says what it lacks.
        """
        task = data.get("id")
        if not isinstance(task, str | int) or not isinstance(data.get("call"), str):
            raise PlanError(f"a task is written {{'id': …, 'call': …, 'args': {{…}}}}, not {_short(data)}")
        args, after, on_error = data.get("args", {}), data.get("after", ()), data.get("on_error")
        if not isinstance(args, Mapping):
            raise PlanError(
                f"task {task}: args must be a mapping of names to values, not {_short(args)}", task=str(task)
            )
        if not isinstance(after, list | tuple):
            raise PlanError(f"task {task}: after must be a list of task ids, not {_short(after)}", task=str(task))
        if on_error is not None and on_error not in get_args(FailurePolicy):
            policies = ", ".join(get_args(FailurePolicy))
            raise PlanError(f"task {task}: on_error must be one of {policies}, not {_short(on_error)}", task=str(task))
        return cls(
            id=str(task),
            call=data["call"],
            args=cast(Mapping[str, object], parse_tree(cast(object, args))),
            after=tuple(str(name) for name in cast(Sequence[object], after)),
            on_error=on_error,
            thought=str(data.get("thought", "")),
            foreach=None if data.get("foreach") is None else ForEach.from_json(data["foreach"]),
            when=None if data.get("when") is None else condition_from_json(data["when"]),
            options=None if data.get("options") is None else TaskOptions.from_json(data["options"]),
        )


class Plan:
    """A complete, checked plan: unique ids, no unknown references, no cycles.

    Args:
        tasks: in the order they were written; references may point forward.
        known: ids of an earlier plan's tasks whose results this one may use.

    Raises:
        DuplicateTask, UnknownReference, CycleError: the plan cannot be run; the message names the ids.
    """

    def __init__(self, tasks: Iterable[Task] = (), *, known: Iterable[str] = ()) -> None:
        self._tasks: dict[str, Task] = {}
        for task in tasks:
            if task.id in self._tasks:
                raise DuplicateTask(task.id)
            self._tasks[task.id] = task
        self._known = frozenset(known)
        self._check()

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._tasks

    def __getitem__(self, task_id: str) -> Task:
        return self._tasks[task_id]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Plan({', '.join(f'{task.id}:{task.call}' for task in self)})"

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """The plan as a networkx graph: an edge from each task to each that waits for it."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from((task.id, {"call": task.call}) for task in self)
        graph.add_edges_from((need, task.id) for task in self for need in self.waits_for(task))
        return graph

    @property
    def known(self) -> frozenset[str]:
        """Ids of an earlier plan's tasks whose results this one may use."""
        return self._known

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the plan's JSON form: equal plans have equal digests, on every machine."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def waits_for(self, task: Task) -> tuple[str, ...]:
        """Ids of this plan's tasks that `task` waits for."""
        return tuple(name for name in (*task.needs, *task.mentions) if name in self._tasks)

    def to_json(self) -> list[dict[str, object]]:
        """The plan as plain JSON data."""
        return [task.to_json() for task in self]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]], *, known: Iterable[str] = ()) -> Plan:
        """The inverse of `to_json`. Raises what `Plan` and `Task.from_json` raise."""
        return cls((Task.from_json(item) for item in data), known=known)

    def _check(self) -> None:
        for task in self:
            missing = [name for name in task.needs if name not in self._tasks and name not in self._known]
            if missing:
                raise UnknownReference(task.id, missing, list(self._tasks))
        if cycle := find_cycle(self._tasks, lambda name: self.waits_for(self._tasks[name])):
            raise CycleError(cycle)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


def find_cycle(starts: Iterable[str], waits_for: Callable[[str], Iterable[str]]) -> list[str]:
    """One cycle among the ids that can be reached from `starts`; empty when there is none.

    The ids are in the order they wait for each other, the first again at the end. Linear in nodes and edges,
    no recursion.
    """
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path: dict[str, None] = {start: None}
        stack = [iter(waits_for(start))]
        while stack:
            for name in stack[-1]:
                if name in path:
                    names = list(path)
                    return [*names[names.index(name) :], name]
                if name not in done:
                    path[name] = None
                    stack.append(iter(waits_for(name)))
                    break
            else:
                stack.pop()
                done.add(path.popitem()[0])
    return []
