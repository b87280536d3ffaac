"""A finished run told again: the program of today runs, with the replies and results of then, and calls nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import NamedTuple

from agentrt.durable.errors import Diverged
from agentrt.durable.tape import PLANNER_EVENTS, events_in, said, same
from executor import Account, Executor, Failed, Finished, Outcome, Skipped, Task, TaskEvent, ToolFailed, Toolset
from executor.journal import Journal, Past, PastTask, RunLog
from executor.journal.past import kept_failure, kept_value
from planner.events import JoinStarted, PlannerEvent


class Retold(NamedTuple):
    """A run as its journal tells it.

    Attributes:
        events: every event, as it was.
        outcomes: how each task ended, by id, in the order they ended.
    """

    events: list[NamedTuple]
    outcomes: dict[str, Outcome]


def retell(journal: Journal, run_id: str, tools: Toolset | None = None) -> Retold:
    """What the journal says about a run; nothing of the program is run.

    Raises:
        UnknownRun: there is no such run.
        ValueNotKept, CorruptJournal: a result that is no longer there.
    """
    records = [*journal.read(run_id)]
    past = Past.of(records)

    def value_of(data: str | None, where: str) -> object:
        return kept_value(journal, data, where)

    ended = sorted((task.order, name) for name, task in past.tasks.items() if task.order >= 0)
    outcomes = {name: _outcome(name, past.tasks[name], journal, tools) for _, name in ended}
    return Retold(events_in(records, value_of), outcomes)


class RecordedExecutor(Executor):
    """Stands where an executor does, and checks that the same tasks are given to it as then.

    Args:
        tools: of today.
        run_id: for messages.
        past: what the journal says.
        outcomes: how the tasks ended.
    """

    def __init__(self, tools: Toolset, run_id: str, past: Past, outcomes: Mapping[str, Outcome]) -> None:
        super().__init__(tools)
        self._run_id = run_id
        self._past = past
        self._outcomes = outcomes
        self._left = {task.id: task for task in past.plan()}
        self.given = 0

    async def run(
        self,
        tasks: Iterable[Task] | AsyncIterable[Task],
        *,
        prior: Mapping[str, Outcome] | None = None,
        log: RunLog | None = None,
        account: Account | None = None,
    ) -> dict[str, Outcome]:
        """The recorded outcomes of `tasks`. Raises Diverged for a task that was not given, or was another one."""
        names: set[str] = set()
        if isinstance(tasks, AsyncIterable):
            async for task in tasks:
                names.add(self._take(task))
        else:
            names.update(self._take(task) for task in tasks)
        return {name: end for name, end in self._outcomes.items() if name.partition("[")[0] in names}

    def finish(self) -> None:
        """Nothing more is given. Raises Diverged where tasks were recorded that are not given now."""
        rewound = "Rewound" in self._past.notes
        for task in self._left.values():
            if not rewound:
                raise Diverged(self._run_id, self.given, f"task {_short(task)}", "no such task")

    def _take(self, task: Task) -> str:
        then = self._left.pop(task.id, None)
        if then is None or then.to_json() != task.to_json():
            recorded = "no such task" if then is None else f"task {_short(then)}"
            raise Diverged(self._run_id, self.given, recorded, f"task {_short(task)}")
        self.given += 1
        return task.id


class Comparer:
    """Compares planner events with the recorded ones. Raises Diverged at the first difference."""

    def __init__(self, run_id: str, events: Iterable[NamedTuple]) -> None:
        self._run_id = run_id
        self._told = [event for event in events if type(event).__name__ in PLANNER_EVENTS]
        self.at = 0

    def __call__(self, event: PlannerEvent | TaskEvent) -> None:
        """Takes the next event of now."""
        if type(event).__name__ not in PLANNER_EVENTS:
            return
        if self.at >= len(self._told):
            raise Diverged(self._run_id, self.at, "nothing more", _event_text(event))
        if not same(event, self._told[self.at]):
            raise Diverged(self._run_id, self.at, _event_text(self._told[self.at]), _event_text(event))
        self.at += 1

    def finish(self) -> None:
        """Nothing more comes now. Raises Diverged where more was recorded."""
        if self.at < len(self._told):
            raise Diverged(self._run_id, self.at, _event_text(self._told[self.at]), "nothing more")


def decisions_in(events: Iterable[NamedTuple]) -> Callable[[], bool]:
    """Whether there was another plan after each round, as the joiner was told then."""
    finals = [event.final for event in events if isinstance(event, JoinStarted)]
    return lambda: not (finals and finals.pop(0))


def changed_tool(run_id: str, past: Past, tools: Toolset) -> Diverged | None:
    """The first tool that is not what it was when the run was started."""
    used = {task.task.call for task in past.tasks.values()}
    for name, version in past.tool_versions.items():
        if name in used and name not in tools:
            return Diverged(run_id, 0, f"tool {name}", "no such tool")
        if name in tools and tools[name].version != version:
            return Diverged(run_id, 0, f"tool {name}", f"a tool {name} with other parameters or another effect")
    return None


def _outcome(name: str, past: PastTask, journal: Journal, tools: Toolset | None) -> Outcome:
    if past.state == "finished":
        return Finished(kept_value(journal, past.data, f"task {name}"), past.started, past.ended)
    if past.state == "failed":
        task = past.task
        tool = None if tools is None else tools.get(task.call)
        handled = (task.on_error or (tool.on_error if tool else "skip")) == "continue"
        text, kind = kept_failure(past.data)
        return Failed(ToolFailed(text, task=name, kind=kind), past.started, past.ended, handled)
    return Skipped(str(json.loads(past.data or "{}").get("because", name)))


def _short(task: Task) -> str:
    text = f"{task.id}: {task.call}({json.dumps(task.to_json()['args'], ensure_ascii=False, default=str)})"
    return text if len(text) <= 120 else text[:119] + "…"


def _event_text(event: NamedTuple) -> str:
    text = f"{type(event).__name__} {json.dumps(said(event), ensure_ascii=False, default=str)}"
    return text if len(text) <= 160 else text[:159] + "…"
