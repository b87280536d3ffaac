"""A journal in one SQLite file.

In WAL mode a commit is one append to a log file; without `durable` it is not forced to the disk, so it survives the
end of the process but not of the machine. One process writes runs, which a lock on a file beside the journal sees
to; others may read, and leave letters.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from executor.journal.bell import Bell
from executor.journal.errors import (
    CorruptJournal,
    JournalBusy,
    JournalError,
    JournalFull,
    JournalReadOnly,
    RunExists,
    UnknownRun,
)
from executor.journal.port import Journal, Letter, Record, RunInfo, Status
from executor.journal.schema import VERSION, migrate, version_of

# Seconds to wait for another process that leaves a letter or reads.
_PATIENCE = 5.0
# Pages of 4 KiB after which the log is folded into the file, and the size it is then cut back to.
_CHECKPOINT = 2_000
_FULL = ("full", "disk i/o", "readonly", "too large", "unable to open")

Row = tuple[str, str, str, Status, float, float, str]
_COLUMNS = "id, kind, title, status, created, updated, head"


class SqliteJournal(Journal):
    """A journal in a file.

    Args:
        path: made if it does not exist.
        read_only: open it although another process writes it; nothing can be written then but letters.

    Raises:
        JournalBusy: another process writes it.
        CorruptJournal, ForeignJournal: it is damaged, or no journal of this version or an older one.
        JournalError: there is no such file to read, or it cannot be made.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.place = str(path)
        self._lock = threading.RLock()
        self._bell = Bell(self.path.with_name(self.path.name + ".bell"))
        self._numbers: dict[str, int] = {}
        self._durable = False
        self._owner: int | None = None
        self.writable = not read_only
        if read_only and not self.path.exists():
            raise JournalError(f"there is no journal {self.place}")
        if self.writable:
            self._make_folder()
            self.writable = os.access(self.path if self.path.exists() else self.path.parent, os.W_OK)
        if self.writable:
            self._owner = _claim(self.path)
        try:
            with self._translated():
                self._database = self._open()
        except BaseException:
            self._release()
            raise

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{self.place} cannot be made: {error.strerror}") from error

    def _open(self) -> sqlite3.Connection:
        # A reader needs to write the shared index of the log, so it opens for writing where it may.
        mode = "rw" if os.access(self.path, os.W_OK) else "ro"
        address = f"{self.path.absolute().as_uri()}?mode={'rwc' if self.writable else mode}"
        database = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            version = version_of(database, self.place)
            if not self.writable:
                if version < VERSION:
                    raise JournalError(f"{self.place} was written by an older version; open it for writing once")
                return database
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA foreign_keys = ON")
            database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
            database.execute(f"PRAGMA journal_size_limit = {_CHECKPOINT * 4096}")
            migrate(database, version)
        except BaseException:
            database.close()
            raise
        return database

    def create(self, run: RunInfo) -> None:
        head = json.dumps(run.head)
        row: Row = (run.id, run.kind, run.title, run.status, run.created, run.updated, head)
        with self._writing() as database:
            try:
                database.execute(f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise RunExists(run.id) from error

    def append(
        self, run_id: str, records: Sequence[Record], *, status: Status | None = None, durable: bool = False
    ) -> None:
        number = self._number(run_id)
        with self._writing(durable=durable) as database:
            database.executemany(
                f"INSERT INTO records (run, seq, time, kind, task, data) VALUES ({number}, ?, ?, ?, ?, ?)", records
            )
            if status is not None:
                database.execute(
                    "UPDATE runs SET status = ?, updated = ? WHERE number = ?", (status, time.time(), number)
                )

    def read(self, run_id: str, *, kinds: Iterable[str] | None = None) -> Iterator[Record]:
        number = self._number(run_id)
        query = "SELECT seq, time, kind, task, data FROM records WHERE run = ?"
        values: list[object] = [number]
        if kinds is not None:
            wanted = [*kinds]
            query += f" AND kind IN ({', '.join('?' * len(wanted))})"
            values += wanted
        with self._reading() as database:
            rows = cast("list[Record]", database.execute(query + " ORDER BY seq", values).fetchall())
        return map(Record._make, rows)

    def info(self, run_id: str) -> RunInfo:
        self._number(run_id)
        with self._reading() as database:
            row = database.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (run_id,)).fetchone()
        return _run(row)

    def runs(self, *, limit: int | None = None) -> list[RunInfo]:
        with self._reading() as database:
            query = f"SELECT {_COLUMNS} FROM runs ORDER BY created DESC, number DESC LIMIT ?"
            return [_run(row) for row in database.execute(query, (-1 if limit is None else limit,)).fetchall()]

    def put_blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        with self._writing() as database:
            database.execute("INSERT OR IGNORE INTO blobs (digest, data) VALUES (?, ?)", (digest, data))
        return digest

    def get_blob(self, digest: str) -> bytes:
        with self._reading() as database:
            row = database.execute("SELECT data FROM blobs WHERE digest = ?", (digest,)).fetchone()
        if row is None or hashlib.sha256(data := bytes(row[0])).hexdigest() != digest:
            raise CorruptJournal(self.place, f"the value {digest[:12]}… is {'missing' if row is None else 'changed'}")
        return data

    def send(self, run_id: str, task: str | None, body: str) -> None:
        number = self._number(run_id)
        with self._translated(), self._lock:
            self._database.execute("INSERT INTO letters (run, task, body) VALUES (?, ?, ?)", (number, task, body))
        self._bell.ring()

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        try:
            return self._bell.listen(callback)
        except OSError:  # a file system without pipes, or a folder that may not be written
            return super().listen(callback)

    def letters(self, run_id: str) -> list[Letter]:
        number = self._number(run_id)
        with self._reading() as database:
            rows = database.execute("SELECT number, task, body FROM letters WHERE run = ? ORDER BY number", (number,))
            return [Letter(*row) for row in rows.fetchall()]

    def take(self, letters: Iterable[Letter]) -> None:
        with self._writing() as database:
            database.executemany("DELETE FROM letters WHERE number = ?", [(letter.number,) for letter in letters])

    def recall(self, key: str, *, now: float) -> str | None:
        with self._reading() as database:
            query = "SELECT data FROM results WHERE key = ? AND (expires IS NULL OR expires > ?)"
            row = database.execute(query, (key, now)).fetchone()
        return None if row is None else row[0]

    def remember(self, key: str, data: str, *, expires: float | None) -> None:
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO results (key, data, expires) VALUES (?, ?, ?)", (key, data, expires)
            )

    def learn(self, durations: Mapping[str, tuple[int, float]]) -> None:
        rows = [(tool, calls, seconds) for tool, (calls, seconds) in durations.items()]
        with self._writing() as database:
            database.executemany(
                "INSERT INTO durations (tool, calls, seconds) VALUES (?, ?, ?) ON CONFLICT (tool) DO UPDATE SET "
                "calls = calls + excluded.calls, seconds = seconds + excluded.seconds",
                rows,
            )

    def durations(self) -> dict[str, float]:
        with self._reading() as database:
            return dict(database.execute("SELECT tool, seconds / calls FROM durations WHERE calls > 0").fetchall())

    def delete(self, run_ids: Iterable[str]) -> None:
        names = [*run_ids]
        for name in names:
            self._number(name)
        with self._writing() as database:
            database.executemany("DELETE FROM runs WHERE id = ?", [(name,) for name in names])
        for name in names:
            del self._numbers[name]

    def vacuum(self) -> None:
        with self._writing() as database:
            database.execute("DELETE FROM results WHERE expires <= ?", (time.time(),))
            # A record names the blob it needs as {"blob": digest, ...}, first of all.
            database.execute(
                "DELETE FROM blobs WHERE digest NOT IN (SELECT substr(data, 10, 64) FROM records "
                """WHERE data LIKE '{"blob":"%' UNION SELECT substr(data, 10, 64) FROM results """
                """WHERE data LIKE '{"blob":"%')"""
            )
        with self._translated(), self._lock:
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            with suppress(sqlite3.Error):
                self._database.close()
            self._release()

    def _release(self) -> None:
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None

    def _number(self, run_id: str) -> int:
        number = self._numbers.get(run_id)
        if number is None:
            with self._reading() as database:
                row = database.execute("SELECT number FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                raise UnknownRun(run_id, [run.id for run in self.runs(limit=1_000)], self.place)
            number = self._numbers[run_id] = int(row[0])
        return number

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._translated(), self._lock:
            yield self._database

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Generator[sqlite3.Connection]:
        if not self.writable:
            raise JournalReadOnly(self.place)
        with self._translated(), self._lock:
            database = self._database
            if durable is not self._durable:
                database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _meaning(error, self.place) from error


def _run(row: Row) -> RunInfo:
    return RunInfo(*row[:-1], head=json.loads(row[-1]))


def _meaning(error: sqlite3.Error, place: str) -> JournalError:
    text = str(error)
    low = text.lower()
    if isinstance(error, sqlite3.IntegrityError):
        return JournalError(f"{place}: a record's place is taken, or one is missing ({text})")
    if isinstance(error, sqlite3.ProgrammingError):
        return JournalError(f"{place} cannot be used any more: {text}")
    if "locked" in low or "busy" in low:
        return JournalBusy(place, "another process")
    if any(sign in low for sign in _FULL):
        return JournalFull(place, text)
    return CorruptJournal(place, text)


def _claim(path: Path) -> int:
    """An open file descriptor whose lock says that this process writes the journal. Raises JournalBusy."""
    lock = path.with_name(path.name + ".lock")
    try:
        owner = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalReadOnly(str(path), f"{lock.name}: {error.strerror}") from error
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        said = os.read(owner, 32).decode("ascii", "replace").strip()
        os.close(owner)
        raise JournalBusy(str(path), f"process {said}" if said.isdigit() else "another process") from error
    os.ftruncate(owner, 0)
    os.pwrite(owner, f"{os.getpid()}\n".encode(), 0)
    return owner
