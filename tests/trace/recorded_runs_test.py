"""Events folded into a run, its critical path, and files of events: good, cut off and bad ones."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from traced_runs import answered_run, layered, plain_run, timed

from agentrt.trace import EventWriter, TraceError, critical_path, read_records, run_trace
from executor import TaskStarted


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return anyio.run(answered_run)


def test_a_run_is_told_with_rounds_retries_failures_tokens_and_answer(events: list[dict[str, Any]]) -> None:
    trace = run_trace(events)
    assert {name: task.state for name, task in trace.tasks.items()} == {
        "1": "finished",
        "2": "finished",
        "3": "finished",
        "4": "failed",
        "5": "skipped",
        "7": "finished",
    }
    assert [phase.key for phase in trace.phases] == ["plan 1", "join 1", "plan 2", "join 2"]
    assert (trace.replans, trace.tasks["7"].round) == (1, 1)
    assert [retry.attempt for retry in trace.tasks["3"].retries] == [1, 2]
    assert trace.phases[0].text.startswith('Thought: both are needed\n1. search("Ed Wood")')
    assert trace.phases[1].notes == ["it asked for another plan: the other film is missing"]
    assert trace.phases[2].notes == ["task 6 was not run again: task 1 has its result"]
    assert trace.answer is not None and trace.answer["answer"] == "Both are American."
    assert trace.usage["output_tokens"] == sum(phase.usage["output_tokens"] for phase in trace.phases) > 0
    assert trace.began == pytest.approx(1_700_000_000)
    assert trace.question == "Same nationality?"


def test_unknown_kinds_of_events_are_counted_and_passed_over(events: list[dict[str, Any]]) -> None:
    late = {"event": "FromTheFuture", "time": events[-1]["time"], "colour": "red"}
    assert run_trace([*events, late]).others == {"FromTheFuture": 1}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "TaskStarted", "time": 1, "id": "9"}, "task 9, but no TaskAdded"),
        ({"event": "TaskAdded", "time": 1, "task": {"id": "1"}}, "a task is written"),
        ({"event": "TaskAdded", "time": 1}, "it has no 'task'"),
        ({"event": "PlanStarted", "time": 1, "round": "first", "attempt": 0}, "invalid literal"),
        ({"event": "Joined", "time": 1, "answer": "x", "tasks": None, "usage": {}, "seconds": 1}, "not iterable"),
    ],
)
def test_events_that_make_no_run_are_refused_with_their_number(event: dict[str, Any], said: str) -> None:
    with pytest.raises(TraceError, match="event 2 ") as caught:
        run_trace([{"event": "Run", "time": 0}, event])
    assert said in str(caught.value)


def test_the_critical_path_is_what_the_end_was_waiting_for() -> None:
    trace = run_trace(
        timed(
            {
                "fast": ([], 0, 1),
                "slow": ([], 0, 4),
                "middle": (["fast"], 1, 2),
                "late": (["slow", "middle"], 4, 6),
                "other": (["fast"], 1, 5),
            }
        )
    )
    assert [(step.key, step.seconds) for step in critical_path(trace)] == [("slow", 4), ("late", 2)]


def test_the_critical_path_goes_through_the_model_where_the_tasks_waited_for_it(events: list[dict[str, Any]]) -> None:
    path = [step.key for step in critical_path(run_trace(events))]
    assert path[0] == "plan 1"
    assert path[-1] == "join 2"
    assert path.index("join 1") < path.index("plan 2")


def test_the_critical_path_of_nothing_is_nothing() -> None:
    assert critical_path(run_trace([])) == []


def test_a_critical_path_is_a_chain_of_needs_and_no_longer_than_the_run() -> None:
    trace = run_trace(anyio.run(plain_run, layered(300, width=20)))
    path = critical_path(trace)
    for before, after in pairwise(path):
        assert before.key in trace.tasks[after.key].needs
    assert sum(step.seconds for step in path) <= trace.wall * 1.001


def test_what_is_written_is_read_back(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    path = tmp_path / "run.jsonl"
    with path.open("w") as file:
        writer = EventWriter(file, question="Ünïcode?", run_id="r1")
        writer.write(TaskStarted(1.0, "1"))
        writer.write_record(events[3])
    read = read_records(path)
    assert [event["event"] for event in read] == ["Run", "TaskStarted", events[3]["event"]]
    assert (read[0]["question"], read[0]["run_id"]) == ("Ünïcode?", "r1")


@pytest.mark.parametrize("form", ["lines", "list", "object", "pretty", "cut off"])
def test_every_form_of_a_file_of_events_is_read(form: str, tmp_path: Path, events: list[dict[str, Any]]) -> None:
    lines = "\n".join(json.dumps(event) for event in events) + "\n"
    text = {
        "lines": lines,
        "list": json.dumps(events),
        "object": json.dumps({"events": events}),
        "pretty": json.dumps(events, indent=2),
        "cut off": lines + '{"event": "TaskFin',
    }[form]
    path = tmp_path / "run.json"
    path.write_text(text)
    assert len(read_records(path)) == len(events)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x7fELF\x00\xff\xfe", "is not text"),
        (b"hello\nworld\n", ":1: this line is not JSON"),
        (b'{"event": "A", "time": 1}\nnonsense\n{"event": "B", "time": 2}\n', ":2: this line is not JSON"),
        (b'{"event": "A", "time": 1}\n{"event": "A", "time": "soon"}\n', ":2: an event has its kind"),
        (b'{"event": "A", "time": 1}\n[1, 2]\n', ":2: an event is a JSON object, not list"),
        (b'{"answer": 42}', "no list of events"),
        (b"[1, 2, 3]", r"events[0]: an event is a JSON object, not int"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"event": "A", "time": true}', "an event has its kind"),
    ],
)
def test_bad_files_are_refused_with_path_and_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        read_records(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_records(tmp_path / "none")
