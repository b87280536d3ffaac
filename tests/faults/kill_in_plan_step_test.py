"""Real processes, killed with `-9` inside a `plan` step, and the workflow that goes on inside it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.journal import Past, SqliteJournal
from tests.faults.nursery import Nursery
from tests.faults.plan_victim import OUTPUT, TASKS

POINTS = ("before group", "after group", "before durable", "after durable", "inside a call", "before reply")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("plan_victim")
    yield nursery
    nursery.close()


def words(folder: Path, kind: str) -> list[str]:
    lines = [line.split() for line in (folder / "witness").read_text().splitlines()]
    return [words[2] for words in lines if words[0] == kind]


def finished(journal: SqliteJournal) -> set[str]:
    """Tasks of the workflow and of the plan inside its step whose end is in the journal."""
    pasts = [Past.of(journal.read(run.id)) for run in journal.runs()]
    return {name for past in pasts for name, task in past.tasks.items() if task.state == "finished"}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_boundary_the_step_goes_on_inside_and_ends_the_same(
    nursery: Nursery, tmp_path: Path, point: str
) -> None:
    kills = 0
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        order: dict[str, Any] = {name: str(folder / name) for name in ("journal", "witness", "answer")}
        code = nursery.run({**order, "point": point, "number": number})
        if code == 0:
            break  # there are no more boundaries of the kind
        assert code == -signal.SIGKILL
        kills += 1
        before = Counter(words(folder, "begin")) if (folder / "witness").exists() else Counter[str]()
        with SqliteJournal(folder / "journal") as journal:  # as the next process will find it
            known = finished(journal)
        assert nursery.run(order) == 0
        assert json.loads((folder / "answer").read_text()) == OUTPUT
        begins, allowed = Counter(words(folder, "begin")), Counter(words(folder, "allowed"))
        assert set(begins) == set(TASKS)
        for name, call in TASKS.items():
            if name in known:
                assert begins[name] == before[name], f"{name} had finished and ran again"
            most = 1 + allowed[name] if call == "send" else 2
            assert begins[name] <= most, f"{name} began {begins[name]} times"
        with SqliteJournal(folder / "journal") as journal:
            assert {run.status for run in journal.runs()} == {"finished"}
            assert len(journal.runs()) == 2, "the step has one log, whoever worked on it"
        assert len(words(folder, "asked")) <= 3, "of two requests one may be made again"
    assert kills
