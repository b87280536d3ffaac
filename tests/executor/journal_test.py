"""Journals: the conformance kit on ours, and everything that can be wrong with a file."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import os
import shutil
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from executor import Executor, Finished, Ref, Task, Tool
from executor.journal import (
    CorruptJournal,
    ForeignJournal,
    Journal,
    JournalBusy,
    JournalFull,
    JournalReadOnly,
    MemoryJournal,
    NotResumable,
    NotStorable,
    Past,
    Record,
    Redactor,
    RunInfo,
    RunLog,
    SqliteJournal,
    UnknownRun,
    decode,
    encode,
)
from executor.journal.schema import MIGRATIONS, VERSION
from executor.testing import JournalConformance


class TestSqliteJournal(JournalConformance):
    def open(self, folder: Path) -> Journal:
        return SqliteJournal(folder / "journal.db")


class TestMemoryJournal(JournalConformance):
    kept: MemoryJournal | None = None

    def open(self, folder: Path) -> Journal:
        self.kept = self.kept or MemoryJournal()
        return self.kept


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary(max_size=20)
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.just("$"), inner, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_values_come_back_exactly(value: object) -> None:
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


def test_models_come_back_as_their_fields_and_nan_stays_nan() -> None:
    class Point(BaseModel):
        x: int
        when: datetime

    @dataclasses.dataclass
    class Pair:
        left: Point
        price: Decimal

    now = datetime.now(UTC)
    value = Pair(Point(x=1, when=now), Decimal("1.10"))
    assert decode(encode(value)) == {"left": {"x": 1, "when": now}, "price": Decimal("1.10")}
    assert math.isnan(float(str(decode(encode(math.nan)))))


def test_what_has_no_written_form_is_named() -> None:
    ring: list[Any] = []
    ring.append(ring)
    for value, what in ((ring, "contains itself"), (object(), "object has no written form"), (10**5000, "digits")):
        with pytest.raises(NotStorable, match=what):
            encode(value)


def run_with(path: Path, tool: Tool, tasks: list[Task], **options: Any) -> dict[str, Any]:
    async def go() -> dict[str, Any]:
        with SqliteJournal(path) as journal:
            new = not journal.runs()
            log = RunLog.start(journal, run_id="r", **options) if new else RunLog.resume(journal, "r", **options)
            with log.closing():
                return await Executor([tool]).run(tasks, log=log)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("size", "step"),
    [(10, 83), (5_000, 331), pytest.param(10, 1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_every_cut_of_the_last_record_is_opened_without_its_tail(tmp_path: Path, size: int, step: int) -> None:
    path = tmp_path / "whole" / "journal.db"
    with SqliteJournal(path) as journal:
        journal.create(RunInfo("r", "plan", "", "running", 1.0, 1.0))
        journal.append("r", [Record(0, 0.0, "X", None, '"first"')])
        before = path.with_name("journal.db-wal").stat().st_size
        journal.append("r", [Record(1, 0.0, "X", None, '"' + "x" * size + '"')])
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(path.with_name(name), tmp_path / name)
    log = tmp_path / "journal.db-wal"
    whole = log.read_bytes()
    assert len(whole) > before
    seen: set[int] = set()
    for cut in [*range(before, len(whole), step), len(whole)]:
        folder = tmp_path / "cut"
        folder.mkdir()
        shutil.copy(tmp_path / "journal.db", folder)
        (folder / "journal.db-wal").write_bytes(whole[:cut])
        with SqliteJournal(folder / "journal.db") as journal:
            kept = [record.seq for record in journal.read("r")]
            journal.append("r", [Record(len(kept), 0.0, "X", None, None)])  # and it goes on
        assert kept in ([0], [0, 1])
        assert kept == [0] or cut == len(whole)
        seen.add(len(kept))
        shutil.rmtree(folder)
    assert seen == {1, 2}


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look at" * 100, b"SQLite format 3\0" + b"\7" * 4096]
)
def test_a_file_that_is_no_journal_is_refused_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(CorruptJournal, match=r"journal\.db is damaged"):
        SqliteJournal(path)
    assert path.read_bytes() == content


def test_foreign_and_newer_databases_are_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE cats (name TEXT)")
    foreign.commit()
    foreign.close()
    with pytest.raises(ForeignJournal, match="not a journal"):
        SqliteJournal(tmp_path / "foreign.db")
    SqliteJournal(tmp_path / "newer.db").close()
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    with pytest.raises(ForeignJournal, match="newer version"):
        SqliteJournal(tmp_path / "newer.db")


def test_an_older_journal_is_brought_up_to_date_with_its_runs(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.db")
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("PRAGMA application_id = 0x61677274")
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO runs VALUES (1, 'r', 'plan', 'old', 'running', 1.0, 1.0, '{}')")
    old.commit()
    old.close()
    with SqliteJournal(tmp_path / "old.db") as journal:
        assert journal.info("r").title == "old"
        journal.send("r", None, "hello")
        assert len(journal.letters("r")) == 1


def test_one_process_writes_and_others_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as writer:
        writer.create(RunInfo("r", "plan", "", "running", 1.0, 1.0))
        with pytest.raises(JournalBusy, match=f"process {os.getpid()}"):
            SqliteJournal(path)
        with SqliteJournal(path, read_only=True) as reader:
            assert reader.info("r").id == "r"
            with pytest.raises(JournalReadOnly):
                reader.append("r", [])
            with pytest.raises(UnknownRun):
                reader.info("x")
    SqliteJournal(path).close()  # the lock is let go


def test_a_full_disk_stops_the_run_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def go() -> None:
        with SqliteJournal(path) as journal:
            log = RunLog.start(journal, run_id="r")
            (pages,) = journal._database.execute("PRAGMA page_count").fetchone()  # pyright: ignore[reportPrivateUsage]
            journal._database.execute(f"PRAGMA max_page_count = {pages + 1}")  # pyright: ignore[reportPrivateUsage]

            async def work(text: str) -> str:
                return text

            tool = Tool(name="work", function=work, effect="pure")
            await Executor([tool]).run([Task(str(n), "work", {"text": f"{n}" * 3_000}) for n in range(50)], log=log)

    with pytest.raises(JournalFull, match="Make room and resume it"):
        asyncio.run(go())
    with SqliteJournal(path) as journal:
        assert Past.of(journal.read("r")).openings == 1


def test_results_that_cannot_be_kept_are_made_again_if_that_is_safe_and_asked_about_if_not(tmp_path: Path) -> None:
    calls: list[str] = []

    def tool(effect: Any) -> Tool:
        async def make(kind: str) -> object:
            calls.append(kind)
            return {"odd": object(), "big": "x" * 5_000, "fine": 1}[kind]

        return Tool(name="make", function=make, effect=effect)

    tasks = [Task(kind, "make", {"kind": kind}) for kind in ("odd", "big", "fine")]
    first = run_with(tmp_path / "pure.db", tool("pure"), tasks, max_value=4_000)
    assert isinstance(first["odd"], Finished)
    run_with(tmp_path / "pure.db", tool("pure"), tasks, max_value=4_000)
    assert calls == ["odd", "big", "fine", "odd", "big"]
    calls.clear()
    run_with(tmp_path / "once.db", tool("once"), tasks, max_value=4_000)
    with pytest.raises(Exception, match=r"waits for a person's answer to task odd .*task big"):
        run_with(tmp_path / "once.db", tool("once"), tasks, max_value=4_000)
    assert calls == ["odd", "big", "fine"]
    with SqliteJournal(tmp_path / "pure.db", read_only=True) as journal:
        said = [json.loads(r.data or "{}") for r in journal.read("r", kinds=["TaskFinished"]) if r.task == "big"]
    assert said[0]["lost"].startswith("it is 5,002 bytes long")
    assert len(said[0]["digest"]) == 64


def test_a_tool_that_is_gone_or_changed_stops_the_resume_before_anything_runs(tmp_path: Path) -> None:
    async def hang(x: int) -> int:
        raise KeyboardInterrupt

    async def fine(x: int) -> int:
        return x

    from executor import Parameter, Signature

    signature = Signature([Parameter("x", {"type": "integer"})])
    tool = Tool(name="work", function=hang, effect="pure", signature=signature)
    with pytest.raises(KeyboardInterrupt):
        run_with(tmp_path / "j.db", tool, [Task("1", "work", {"x": 1})])
    other = Tool(name="work", function=fine, effect="pure", signature=Signature([Parameter("y")]))
    with pytest.raises(NotResumable, match="has other parameters"):
        run_with(tmp_path / "j.db", other, [Task("1", "work", {"x": 1})])
    with pytest.raises(NotResumable, match="calls work, which is not among the tools"):
        run_with(tmp_path / "j.db", Tool(name="else", function=fine), [Task("1", "work", {"x": 1})])
    same = Tool(name="work", function=fine, effect="pure", signature=signature)
    assert run_with(tmp_path / "j.db", same, [Task("1", "work", {"x": 1})])["1"].value == 1


def test_the_journal_grows_with_the_events_and_less_than_ten_times_the_payload(tmp_path: Path) -> None:
    async def work(text: str, before: object = None) -> str:
        return text[::-1]

    tool = Tool(name="work", function=work, effect="pure")
    sizes: list[int] = []
    for count in (500, 1_000):
        text = "0123456789" * 20
        tasks = [Task("0", "work", {"text": text})]
        tasks += [Task(str(n), "work", {"text": f"{n}{text}", "before": Ref(str(n - 1))}) for n in range(1, count)]
        folder = tmp_path / str(count)
        run_with(folder / "j.db", tool, tasks)
        sizes.append(sum(file.stat().st_size for file in folder.iterdir()))
        assert sizes[-1] < 10 * count * 2 * len(text)
    assert sizes[1] < 2.3 * sizes[0]


def test_secrets_are_found_in_every_form_they_are_written_in() -> None:
    redact = Redactor(['pass"word\\1'], environment={"MY_API_KEY": "environment-secret", "PATH": "/usr/bin:/bin"})
    for text in ('pass"word\\1', json.dumps('x pass"word\\1'), "environment-secret", json.dumps("a\nsk-" + "b" * 30)):
        assert "[redacted]" in redact.clean(text)
    plain = "monkey key: /usr/bin:/bin sk-short"
    assert redact.clean(plain) is plain
    with pytest.raises(ValueError, match="fewer than 8"):
        Redactor(["short"])
