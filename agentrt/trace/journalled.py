"""A run's events out of its journal.

A journal keeps more than events (who wrote, what the model replied) and one clock for each process that worked on the
run. Here the clocks are laid end to end: the time between two processes, which may be days, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from agentrt.answer import evidence_of
from agentrt.trace.errors import TraceError
from agentrt.trace.recorded import RunTrace, run_trace
from executor import Finished, Plan
from executor.journal import Journal, JournalError, Record, RunInfo, ValueNotKept, decode
from executor.journal.past import kept_failure, kept_value

# Told from the planner's side; what it told before a rewind does not count.
_PLANNER = frozenset(
    {
        "PlanStarted",
        "PlanText",
        "PlanWarning",
        "PlanRejected",
        "PlanFinished",
        "TaskReused",
        "JoinStarted",
        "Joined",
        "Replanned",
    }
)
_OTHER = frozenset({"TaskRetried", "TaskSkipped", "TaskCached", "ApprovalAsked", "ApprovalGiven"})


def journalled_trace(journal: Journal, name: str) -> RunTrace:
    """The trace of a run in a journal, also of one that still runs, waits, or was interrupted.

    Args:
        journal: may be open for reading only.
        name: the run's id, or an unambiguous beginning of it.

    Raises:
        TraceError: there is no such run, or more than one.
        JournalError: the journal cannot be read.
    """
    info = find(journal, name)
    trace = run_trace(
        [{"event": "Run", "time": 0.0, "run_id": info.id, "question": info.title}, *_events(journal, info)]
    )
    trace.began = info.created
    ended = [record for record in journal.read(info.id, kinds=("Ended",)) if record.data]
    if info.kind == "ask" and ended and info.status == "finished":
        trace.answer = _answer(json.loads(ended[-1].data or "{}"), trace)
    return trace


def find(journal: Journal, name: str) -> RunInfo:
    """The run called `name`, or the only one whose id begins so. Raises TraceError."""
    found = [run for run in journal.runs() if run.id.startswith(name)] if name else []
    exact = [run for run in found if run.id == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise TraceError(f"{name} may be {', '.join(run.id for run in found[:10])}; write more of it")
    raise TraceError(f"there is no run {name!r} in {journal.place}; `agentrt runs list` shows those there are")


def _events(journal: Journal, info: RunInfo) -> list[Mapping[str, Any]]:
    events: list[Mapping[str, Any]] = []
    shift: float | None = None
    last = 0.0
    for record in journal.read(info.id):
        if record.kind == "Opened":
            shift = last - record.time
            if _said(record).get("again"):
                events.append({"event": "Resumed", "time": last})
            continue
        if shift is None:
            shift = last - record.time
        now = last = max(last, record.time + shift)
        if record.kind == "Rewound":
            events = list(_rewound(events, int(_said(record)["planner"])))
        elif (event := _event(record, now, journal)) is not None:
            events.append(event)
    return events


def _event(record: Record, now: float, journal: Journal) -> Mapping[str, Any] | None:
    start = {"event": record.kind, "time": now, "id": record.task}
    match record.kind:
        case "TaskAdded":
            return {**start, "task": {"args": {}, **_said(record)}}
        case "TaskStarted":
            return start
        case "TaskFinished":
            return {**start, "value": _value(record, journal)}
        case "TaskFailed":
            error, kind = kept_failure(record.data)
            return {**start, "error": error, "type": kind}
        case kind if kind in _PLANNER or kind in _OTHER:
            said = _said(record)
            return {**start, **said, "time": now, "id": record.task if record.task is not None else said.get("id")}
        case _:
            return None


def _value(record: Record, journal: Journal) -> object:
    try:
        return kept_value(journal, record.data, f"task {record.task}")
    except ValueNotKept as error:
        return {"not kept": str(error), "preview": _said(record).get("preview", "")}
    except JournalError as error:
        return {"not readable": str(error)}


def _said(record: Record) -> dict[str, Any]:
    found = decode(record.data or "{}")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _rewound(events: list[Mapping[str, Any]], keep: int) -> Iterator[Mapping[str, Any]]:
    told = 0
    for event in events:
        told += event["event"] in _PLANNER
        if event["event"] not in _PLANNER or told <= keep:
            yield event


def _answer(said: Mapping[str, Any], trace: RunTrace) -> Mapping[str, Any]:
    finished = {name: task for name, task in trace.tasks.items() if task.state == "finished"}
    plan = Plan((task.task for task in finished.values()), known=trace.tasks)
    results = {name: Finished(task.value, 0.0, 0.0) for name, task in finished.items()}
    evidence = evidence_of(plan, results, tuple(str(name) for name in said.get("evidence", ())))
    shown = [{"task": one.task, "title": one.title, "text": one.text, "source": one.source} for one in evidence]
    return {"answer": said.get("text", ""), "ending": said.get("ending", "answered"), "evidence": shown}
