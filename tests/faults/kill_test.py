"""Real processes, really killed, at every boundary of the journal and at random moments."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.journal import Past, SqliteJournal
from tests.faults.nursery import Nursery
from tests.faults.victim import RUN, plan_of, value_of

POINTS = ("before group", "after group", "before durable", "after durable", "before call", "after call")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def expected(seed: int) -> dict[str, str]:
    """The answer of a run that nobody interrupts."""
    values: dict[str, str] = {}
    for task in plan_of(seed):
        inputs = task.args["inputs"]
        assert isinstance(inputs, list)
        values[task.id] = value_of(int(task.id), [values[ref.task] for ref in inputs])
    return values


class Trial:
    """One run that is killed, again and again, and what must hold for it."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir()
        self.witness = folder / "witness"
        self.witness.touch()
        self.journal = folder / "journal.db"
        self.answer = folder / "answer.json"
        self.values = expected(seed)
        self.order: dict[str, Any] = {
            "seed": seed,
            "witness": str(self.witness),
            "journal": str(self.journal),
            "answer": str(self.answer),
            "values": json.dumps(self.values),
        }
        self.kills = 0
        self.finished: dict[str, int] = {}  # task: begins seen when the journal first called it finished

    def begins(self) -> Counter[str]:
        return Counter(words[2] for words in self.lines() if words[0] == "begin")

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.witness.read_text().splitlines()]

    def died(self) -> None:
        self.kills += 1
        begins = self.begins()
        if not self.journal.exists():
            return
        with SqliteJournal(self.journal) as journal:  # as the next process will find it
            if not journal.runs():
                return
            past = Past.of(journal.read(RUN))
        for name, task in past.tasks.items():
            if task.state == "finished":
                self.finished.setdefault(name, begins[name])

    def check(self) -> None:
        assert json.loads(self.answer.read_text()) == self.values, "the answer differs from an uninterrupted run's"
        begins, lines = self.begins(), self.lines()
        effects = {task.id: task.call for task in plan_of(self.order["seed"])}
        allowed = Counter(words[2] for words in lines if words[0] == "allowed")
        for name, count in begins.items():
            if name in self.finished:
                assert count == self.finished[name], f"{name} was finished and ran again"
            if effects[name] == "once":
                assert count <= 1 + allowed[name], f"{name} must run once and ran {count} times unasked"
            else:
                assert count <= 1 + self.kills, f"{name} ran {count} times in {self.kills + 1} processes"
            keys = {words[3] for words in lines if words[0] == "begin" and words[2] == name}
            assert len(keys) == 1, f"{name} was called with different keys"
        assert set(begins) == set(effects)
        with SqliteJournal(self.journal) as journal:
            kinds = Counter((r.kind, r.task) for r in journal.read(RUN, kinds=("TaskAdded", "TaskFinished")))
        assert set(kinds.values()) == {1}, "the journal has a task begun or ended twice"


def killed_at_boundaries(nursery: Nursery, tmp_path: Path, point: str, step: int) -> None:
    kills = 0
    for number in range(0, 60, step):
        trial = Trial(tmp_path / str(number), seed=number % 3)
        code = nursery.run({**trial.order, "point": point, "number": number})
        if code == 0:
            break  # this run has fewer boundaries of the kind
        assert code == -signal.SIGKILL
        trial.died()
        kills += 1
        assert nursery.run(trial.order) == 0
        trial.check()
    assert kills >= 2


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_second_boundary_a_run_goes_on_and_ends_the_same(
    nursery: Nursery, tmp_path: Path, point: str
) -> None:
    killed_at_boundaries(nursery, tmp_path, point, step=2)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_boundary_a_run_goes_on_and_ends_the_same(nursery: Nursery, tmp_path: Path, point: str) -> None:
    killed_at_boundaries(nursery, tmp_path, point, step=1)


def killed_at_random(nursery: Nursery, tmp_path: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    began = time.perf_counter()
    assert nursery.run(Trial(tmp_path / "whole", seed=0).order) == 0
    whole = time.perf_counter() - began
    done = trials = 0
    while done < kills:
        trial = Trial(tmp_path / str(trials), seed=trials)
        trials += 1
        assert trials < 20 * kills, "victims end before they can be killed"
        while (code := nursery.run(trial.order, kill_after=draw.random() * whole)) != 0:
            assert code == -signal.SIGKILL
            trial.died()
        done += trial.kills
        trial.check()


def test_killed_at_20_random_moments(nursery: Nursery, tmp_path: Path) -> None:
    killed_at_random(nursery, tmp_path, 20, seed=1)


@pytest.mark.slow
def test_killed_at_200_random_moments(nursery: Nursery, tmp_path: Path) -> None:
    killed_at_random(nursery, tmp_path, 200, seed=2)
