"""The events of planner and joiner in a journal: written once, also when a resumed run tells them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from executor import TaskEvent, to_json
from executor.events import (
    ApprovalAsked,
    ApprovalGiven,
    TaskAdded,
    TaskCached,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
)
from executor.journal import Record, RunLog, decode, read_task
from executor.journal.past import kept_failure
from planner import events as planner_events
from planner.events import PlannerEvent, Usage

PLANNER_EVENTS: Mapping[str, type[Any]] = {
    name: kind
    for name, kind in vars(planner_events).items()
    if isinstance(kind, type)
    and kind.__module__ == planner_events.__name__
    and getattr(kind, "_fields", ())[:1] == ("time",)
}
TASK_EVENTS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (TaskRetried, TaskSkipped, TaskCached, ApprovalAsked, ApprovalGiven)
}
# Measured anew each time, and no part of what a run did.
_MEASURED = ("time", "event", "seconds")


class Tape:
    """Writes planner events to a log, but for those that only tell again what the log has.

    Args:
        log: the run's.
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log
        recorded = events_in(log.past_records(), lambda data, where: None)
        self._told = [event for event in recorded if type(event).__name__ in PLANNER_EVENTS]
        self._at = 0

    def before(self, observe: Callable[[PlannerEvent | TaskEvent], None]) -> Callable[[PlannerEvent | TaskEvent], None]:
        """An observer that writes the planner's events before `observe` has them; the executor writes its own."""

        def see(event: PlannerEvent | TaskEvent) -> None:
            if type(event).__name__ in PLANNER_EVENTS:
                self.write(cast(PlannerEvent, event))
            observe(event)

        return see

    def write(self, event: PlannerEvent) -> None:
        """Writes `event`, unless it is the next one that was told before."""
        if self._at < len(self._told):
            if same(event, self._told[self._at]):
                self._at += 1
                return
            # It goes another way than before, as a plan does that was cut off and is written again.
            self._log.note("Rewound", {"planner": self._at})
            self._told.clear()
        self._log.write(event)


def same(one: NamedTuple, other: NamedTuple) -> bool:
    """Whether two events say the same, but for when and how long."""
    return type(one) is type(other) and said(one) == said(other)


def said(event: NamedTuple) -> dict[str, object]:
    """What an event says, without what is measured."""
    return {name: value for name, value in to_json(event).items() if name not in _MEASURED}


def events_in(records: list[Record], value_of: Callable[[str | None, str], object]) -> list[NamedTuple]:
    """The events in a run's records, as they were: what a rewound planner told first is left out.

    Raises:
        ValueNotKept, CorruptJournal: a result that is no longer there.
    """
    events: list[tuple[bool, NamedTuple]] = []
    for record in records:
        if record.kind == "Rewound":
            keep = int(json.loads(record.data or "{}")["planner"])
            told = 0
            kept: list[tuple[bool, NamedTuple]] = []
            for planner, event in events:
                told += planner
                if not planner or told <= keep:
                    kept.append((planner, event))
            events = kept
        elif (event := _event(record, value_of)) is not None:
            events.append((record.kind in PLANNER_EVENTS, event))
    return [event for _, event in events]


def _event(record: Record, value_of: Callable[[str | None, str], object]) -> NamedTuple | None:
    _, time, kind, task, data = record
    if kind in PLANNER_EVENTS or kind in TASK_EVENTS:
        fields = cast("dict[str, Any]", decode(data or "{}"))
        if "usage" in fields:
            fields["usage"] = Usage(**fields["usage"])
        if task is not None:
            fields["id"] = task
        found = PLANNER_EVENTS.get(kind) or TASK_EVENTS[kind]
        return found(time=time, **fields)
    if task is None:
        return None
    if kind == "TaskAdded":
        return TaskAdded(time, read_task(data or "{}"))
    if kind == "TaskStarted":
        return TaskStarted(time, task)
    if kind == "TaskFinished":
        return TaskFinished(time, task, value_of(data, f"task {task}"))
    if kind == "TaskFailed":
        return TaskFailed(time, task, *kept_failure(data))
    return None
