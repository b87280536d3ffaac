"""What a journal says a run did so far: pure, made from its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from executor.journal.codec import decode
from executor.journal.errors import ValueNotKept
from executor.journal.port import Journal, Record
from executor.journal.tasks import read_task
from executor.plan import Task

PastState = Literal["added", "started", "finished", "failed", "skipped"]
_STATES: dict[str, PastState] = {
    "TaskStarted": "started",
    "TaskFinished": "finished",
    "TaskFailed": "failed",
    "TaskSkipped": "skipped",
}


@dataclass(slots=True)
class PastTask:
    """One task as the journal knows it.

    Attributes:
        written: the task's JSON text.
        state: the last thing that happened to it.
        data: what the record of that said.
        calls: calls that were begun, retries included, over all processes that worked on the run.
        intent: what was written down before the last call, for tools that run once.
        order: place of the record of its end in the run; -1 while it has none.
        begun: whether an intent was written whose call is not known to have started.
    """

    written: str
    state: PastState = "added"
    data: str | None = None
    calls: int = 0
    intent: Mapping[str, Any] = field(default_factory=dict[str, Any])
    started: float = 0.0
    ended: float = 0.0
    begun: bool = False
    order: int = -1

    @property
    def task(self) -> Task:
        """The task. Raises PlanError where it cannot be read."""
        return read_task(self.written)


@dataclass(slots=True)
class Past:
    """The records of a run, put together.

    Attributes:
        tasks: by id, in the order they were added.
        complete: whether the plan had been given to its end (of the latest round, where there are several).
        answers: what people answered, by task.
        asked: tasks that wait for an answer.
        notes: records of other kinds, by kind, in order.
        records: how many there are.
        openings: how often a process began to work on the run.
        seconds: how long they worked on it, from the first record of each to its last.
    """

    tasks: dict[str, PastTask] = field(default_factory=dict[str, PastTask])
    complete: bool = False
    answers: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    asked: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    notes: dict[str, list[Record]] = field(default_factory=dict[str, "list[Record]"])
    records: int = 0
    openings: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, records: Iterable[Record]) -> Past:
        """Reads a run's records."""
        past = cls()
        tasks = past.tasks
        last = 0.0
        for record in records:
            past.records += 1
            _, time, kind, name, data = record
            if kind != "Opened":
                past.seconds += time - last
            last = time
            if name is None:
                past._note(record)
            elif kind == "TaskAdded":
                # A task that is written again differs from the first one, whose results are then not its own.
                tasks[name] = PastTask(data or "{}")
                past.complete = past.complete and past._is_element(name)
            elif (state := _STATES.get(kind)) is not None and (task := tasks.get(name)) is not None:
                task.state, task.data, task.ended = state, data, time
                task.order = -1 if state == "started" else record.seq
                if state == "started":
                    task.calls += not task.begun
                    task.begun = False
                    task.started = time
            elif kind == "Intent" and (task := tasks.get(name)) is not None:
                task.state, task.started, task.begun = "started", time, True
                task.calls += 1
                task.intent = json.loads(data or "{}")
                # An answer is for one call.
                past.answers.pop(name, None)
            elif kind == "TaskCached" and (task := tasks.get(name)) is not None:
                task.calls -= 1
            elif kind == "TaskRetried" and (task := tasks.get(name)) is not None:
                task.calls += 1
            elif kind == "ApprovalAsked":
                past.asked[name] = json.loads(data or "{}")
                past.answers.pop(name, None)
            elif kind == "ApprovalGiven":
                past.asked.pop(name, None)
                past.answers[name] = cast("dict[str, Any]", decode(data or "{}"))
            else:
                past.notes.setdefault(kind, []).append(record)
        return past

    @property
    def tool_versions(self) -> dict[str, str]:
        """`Tool.version` of each tool, as it was when the run was started."""
        noted = self.notes.get("Tools", ())
        return {name: version for record in noted for name, version in json.loads(record.data or "{}").items()}

    def plan(self) -> list[Task]:
        """The tasks that were given, without the elements that `foreach` made of them."""
        return [past.task for name, past in self.tasks.items() if not self._is_element(name)]

    def _is_element(self, name: str) -> bool:
        parent, bracket, _ = name.rpartition("[")
        return bool(bracket) and parent in self.tasks and '"foreach":' in self.tasks[parent].written

    def _note(self, record: Record) -> None:
        if record.kind == "PlanClosed":
            self.complete = True
        elif record.kind == "Opened":
            self.openings += 1
        self.notes.setdefault(record.kind, []).append(record)


def kept_failure(data: str | None) -> tuple[str, str]:
    """Message and kind of the error in a `TaskFailed` record."""
    said: dict[str, object] = json.loads(data or "{}")
    return str(said.get("error", "it failed")), str(said.get("type", ""))


def kept_value(journal: Journal, data: str | None, where: str) -> object:
    """The value in a `TaskFinished` record's data.

    Raises:
        ValueNotKept: the journal could not keep it; the message says why.
        CorruptJournal: it is missing or damaged.
    """
    if data is None:
        return None
    if data.startswith('{"value":'):
        return cast("dict[str, object]", decode(data))["value"]
    found = json.loads(data)
    if "blob" in found:
        return decode(journal.get_blob(found["blob"]).decode("ascii"))
    raise ValueNotKept(f"{where}: the result was not kept: {found.get('lost', 'nothing is known about it')}")
