"""Runs out of a journal: finished, interrupted, resumed on another clock, rewound, with results that were not kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from traced_runs import answered_run

from agentrt.trace import TraceError, journalled_trace, run_page, run_trace
from executor.journal import Journal, MemoryJournal, Record, RunInfo, SqliteJournal, encode


def opened(wall: float, again: bool = False) -> tuple[str, str | None, Any]:
    return ("Opened", None, {"wall": wall, "process": 1, "again": again})


def task(name: str, **args: object) -> tuple[str, str | None, Any]:
    return ("TaskAdded", name, {"id": name, "call": "step", "args": args})


def keep(
    journal: Journal, run: str, records: list[tuple[float, tuple[str, str | None, Any]]], kind: str = "plan"
) -> None:
    if all(info.id != run for info in journal.runs()):
        journal.create(RunInfo(run, kind, "What?", "running", 1_700_000_000.0, 1_700_000_000.0))
    kept = [
        Record(number, at, what, of, None if data is None else encode(data))
        for number, (at, (what, of, data)) in enumerate(records)
    ]
    status = "finished" if records[-1][1][0] == "Ended" else None
    journal.append(run, kept, status=status)


def test_a_question_in_a_journal_is_told_as_its_events_are() -> None:
    events = anyio.run(answered_run)
    told = run_trace(events)
    records: list[tuple[float, tuple[str, str | None, Any]]] = [(events[0]["time"], opened(1_700_000_000.0))]
    for event in events[1:]:
        fields = {name: value for name, value in event.items() if name not in ("event", "time", "id")}
        if event["event"] == "TaskAdded":
            fields = event["task"]
        if event["event"] == "Answered":
            said = {"status": "finished", "text": event["answer"]["answer"], "ending": "answered"}
            records.append((event["time"], ("Ended", None, {**said, "evidence": ["1", "2", "7"]})))
        else:
            name = event["task"]["id"] if event["event"] == "TaskAdded" else event.get("id")
            records.append((event["time"], (event["event"], name, fields)))
    with MemoryJournal() as journal:
        keep(journal, "abc123", records, "ask")
        trace = journalled_trace(journal, "abc")
    assert {name: one.state for name, one in trace.tasks.items()} == {
        name: one.state for name, one in told.tasks.items()
    }
    assert [phase.key for phase in trace.phases] == [phase.key for phase in told.phases]
    assert trace.phases[0].text == told.phases[0].text
    assert trace.usage == told.usage
    assert trace.answer is not None
    assert trace.answer["answer"] == "Both are American."
    assert [one["title"] for one in trace.answer["evidence"]] == ["Ed Wood", "Scott Derrickson", "Scott Derrickson"]
    assert (trace.run_id, trace.began, trace.resumed) == ("abc123", 1_700_000_000.0, 0)
    assert "Both are American." in run_page(trace)


def test_the_clocks_of_two_processes_are_laid_end_to_end() -> None:
    with MemoryJournal() as journal:
        keep(
            journal,
            "r1",
            [
                (1000.0, opened(1.0)),
                (1000.0, task("1")),
                (1000.5, ("TaskStarted", "1", None)),
                (1002.0, ("TaskFinished", "1", {"value": 5})),
                (1002.0, task("2", of="${1}")),
                (1002.5, ("TaskStarted", "2", None)),
                (7.0, opened(90_000.0, again=True)),  # a day later, after a restart
                (7.0, ("TaskStarted", "2", None)),
                (9.0, ("TaskFinished", "2", {"value": 6})),
                (9.0, ("Ended", None, {"status": "finished"})),
            ],
        )
        trace = journalled_trace(journal, "r1")
    assert trace.resumed == 1
    assert trace.wall == pytest.approx(4.5)
    assert (trace.tasks["2"].started, trace.tasks["2"].ended) == (pytest.approx(2.5), pytest.approx(4.5))
    assert "Resumed" in run_page(trace)


def test_what_a_rewound_planner_told_first_is_left_out() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cached_tokens": 0, "model_calls": 1}
    started = ("PlanStarted", None, {"round": 0, "attempt": 0})
    with MemoryJournal() as journal:
        keep(
            journal,
            "r1",
            [
                (0.0, opened(1.0)),
                (0.0, started),
                (1.0, ("PlanText", None, {"text": "1. st"})),
                (2.0, opened(2.0, again=True)),
                (2.0, ("Rewound", None, {"planner": 1})),
                (3.0, ("PlanText", None, {"text": "1. step()"})),
                (4.0, ("PlanFinished", None, {"tasks": 1, "usage": usage, "seconds": 2.0})),
            ],
        )
        trace = journalled_trace(journal, "r1")
    assert [phase.text for phase in trace.phases] == ["1. step()"]


def test_approvals_taint_caches_lost_results_and_elements_are_told() -> None:
    with MemoryJournal() as journal:
        keep(
            journal,
            "r1",
            [
                (0.0, opened(1.0)),
                (0.0, task("1")),
                (0.0, task("2", to="${1}")),
                (0.1, ("TaskCached", "1", {"source": "memory"})),
                (0.2, ("TaskFinished", "1", {"lost": "it contains a secret", "type": "str", "preview": "…"})),
                (
                    0.3,
                    (
                        "ApprovalAsked",
                        "2",
                        {
                            "why": "tainted",
                            "question": "Send it?",
                            "tool": "send",
                            "arguments": "{}",
                            "origins": ["1 > 2"],
                            "digest": "d",
                        },
                    ),
                ),
                (0.9, ("ApprovalGiven", "2", {"answer": "no", "note": "not today", "digest": "d"})),
                (0.9, ("TaskFailed", "2", {"error": "a person said no"})),
                (1.0, task("3")),
                (1.0, ("TaskStarted", "3", None)),
                (1.0, task("3[0]")),
                (1.1, ("TaskStarted", "3[0]", None)),
                (1.8, ("TaskFinished", "3[0]", {"value": 1})),
                (1.9, ("TaskFinished", "3", {"value": [1]})),
            ],
        )
        trace = journalled_trace(journal, "r1")
    assert "memory" in trace.tasks["1"].marks["Not called"]
    assert trace.tasks["1"].value == {
        "not kept": "task 1: the result was not kept: it contains a secret",
        "preview": "…",
    }
    assert trace.tasks["2"].marks == {
        "Asked a person": "Send it? (tainted)",
        "Rests on untrusted results": "1 > 2",
        "The person said": "no: not today",
    }
    assert trace.tasks["3"].needs == ("3[0]",)
    page = run_page(trace)
    assert "Rests on untrusted results" in page and "<dt>Tainted</dt><dd>1 call</dd>" in page


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "runs.db") as journal:
        for run in ("aa11", "aa22", "bb"):
            keep(journal, run, [(0.0, opened(1.0))])
        assert journalled_trace(journal, "b").run_id == "bb"
        with pytest.raises(TraceError, match=r"may be aa.., aa..; write more"):
            journalled_trace(journal, "aa")
        with pytest.raises(TraceError, match=r"there is no run .zz. in .*runs\.db"):
            journalled_trace(journal, "zz")


def test_the_command_reads_the_journal_while_another_writes_it(tmp_path: Path) -> None:
    from trace_command_test import agentrt

    with SqliteJournal(tmp_path / "runs.db") as journal:
        keep(journal, "abc123", [(0.0, opened(1.0)), (0.0, task("1")), (0.5, ("TaskStarted", "1", None))])
        done = agentrt("trace", "abc", "--json", "--journal", "runs.db", cwd=tmp_path)
        gone = agentrt("trace", "xyz", "--journal", "runs.db", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tasks"][0]["state"] == "running"
    assert gone.returncode == 1
    assert "agentrt runs list" in gone.stderr
