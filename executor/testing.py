"""What any journal backend must do, as tests to inherit.

    class TestMyJournal(JournalConformance):
        def open(self, folder: Path) -> Journal:
            return MyJournal(folder / "journal")

`open` is called again after `close` to see what survives; a backend that keeps nothing returns the same object.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from executor.journal import CorruptJournal, Journal, JournalError, Record, RunExists, RunInfo, UnknownRun


def _run(name: str, created: float = 1.0) -> RunInfo:
    return RunInfo(name, "plan", "a title", "running", created, created, {"question": "ä?"})


def _records(first: int, count: int) -> list[Record]:
    return [Record(seq, seq / 7, "TaskStarted", f"t{seq}", None) for seq in range(first, first + count)]


class JournalConformance(ABC):
    """Inherit, and give `open`."""

    @abstractmethod
    def open(self, folder: Path) -> Journal:
        """A journal in `folder`, the same one each time."""

    def test_records_come_back_in_order_and_unchanged(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.create(_run("a"))
        given = [Record(0, 0.1 + 0.2, "X", None, '{"text":"\\u00e4 \\u0000"}'), *_records(1, 500)]
        journal.append("a", given[:1])
        journal.append("a", given[1:], status="parked", durable=True)
        journal.close()
        journal = self.open(tmp_path)
        assert [*journal.read("a")] == given
        assert [*journal.read("a", kinds=["X"])] == given[:1]
        assert (journal.info("a").status, journal.info("a").head) == ("parked", {"question": "ä?"})
        journal.close()

    def test_a_group_is_kept_whole_or_not_at_all(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.create(_run("a"))
        journal.append("a", _records(0, 3))
        with pytest.raises(JournalError):
            journal.append("a", [Record(3, 0.0, "X", None, None), Record(1, 0.0, "X", None, None)])
        assert [record.seq for record in journal.read("a")] == [0, 1, 2]
        journal.append("a", _records(3, 1))
        journal.close()

    def test_runs_are_listed_latest_first_and_ids_are_unique(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        for number, name in enumerate("abc"):
            journal.create(_run(name, float(number)))
        assert [run.id for run in journal.runs(limit=2)] == ["c", "b"]
        with pytest.raises(RunExists):
            journal.create(_run("a"))
        for unknown in (lambda: journal.info("x"), lambda: journal.read("x"), lambda: journal.append("x", [])):
            with pytest.raises(UnknownRun):
                unknown()
        journal.close()

    def test_blobs_are_kept_once_and_go_when_nothing_needs_them(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.create(_run("a"))
        data = bytes(range(256)) * 8
        digest = journal.put_blob(data)
        assert journal.put_blob(data) == digest
        orphan = journal.put_blob(b"nobody needs this")
        journal.append("a", [Record(0, 0.0, "TaskFinished", "t", f'{{"blob":"{digest}","size":{len(data)}}}')])
        journal.vacuum()
        assert journal.get_blob(digest) == data
        with pytest.raises(CorruptJournal):
            journal.get_blob(orphan)
        journal.delete(["a"])
        journal.vacuum()
        with pytest.raises(CorruptJournal):
            journal.get_blob(digest)
        journal.close()

    def test_letters_wait_until_they_are_taken(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.create(_run("a"))
        journal.send("a", "t", "one")
        journal.send("a", None, "two")
        journal.close()
        journal = self.open(tmp_path)
        letters = journal.letters("a")
        assert [(letter.task, letter.body) for letter in letters] == [("t", "one"), (None, "two")]
        journal.take(letters[:1])
        assert journal.letters("a") == letters[1:]
        journal.delete(["a"])
        with pytest.raises(UnknownRun):
            journal.letters("a")
        journal.close()

    def test_cached_results_expire(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        now = time.time()
        journal.remember("k", "1", expires=now + 60)
        assert journal.recall("k", now=now) == "1"
        assert journal.recall("k", now=now + 61) is None
        assert journal.recall("other", now=now) is None
        journal.remember("k", "2", expires=None)
        assert journal.recall("k", now=now + 1e9) == "2"
        journal.close()

    def test_durations_are_means_over_all_that_was_learnt(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.learn({"a": (2, 4.0), "b": (1, 1.0)})
        journal.learn({"a": (2, 0.0)})
        assert journal.durations() == {"a": 1.0, "b": 1.0}
        journal.close()
