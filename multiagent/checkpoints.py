"""Where a conversation keeps its turns, so that it can go on after a crash: a port, one in memory, one in SQLite."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread

from multiagent.errors import DiskFull, StoreError
from multiagent.transcript import Turn, turn_from_json, turn_to_json


@dataclass(frozen=True)
class Saved:
    """What is stored of one conversation. `stop_reason` is None while it is not over."""

    fingerprint: str
    turns: tuple[Turn, ...] = ()
    stop_reason: str | None = None


class Checkpoints(ABC):
    """Keeps conversations by a key of the caller's choice. Every turn is durable when `append` returns."""

    @abstractmethod
    async def load(self, key: str) -> Saved | None:
        """What is stored under `key`, or None."""

    @abstractmethod
    async def append(self, key: str, fingerprint: str, index: int, turn: Turn) -> None:
        """Stores turn number `index`.

        Raises:
            DiskFull: there is no room; the turns stored before are kept.
            StoreError: it cannot be written for another reason.
        """

    @abstractmethod
    async def finish(self, key: str, fingerprint: str, stop_reason: str) -> None:
        """Notes that the conversation is over. Raises as `append`."""


@dataclass
class MemoryCheckpoints(Checkpoints):
    """Keeps conversations as long as the process lives."""

    saved: dict[str, Saved] = field(default_factory=dict[str, Saved])

    async def load(self, key: str) -> Saved | None:
        return self.saved.get(key)

    async def append(self, key: str, fingerprint: str, index: int, turn: Turn) -> None:
        turns = self.saved[key].turns[:index] if key in self.saved else ()
        self.saved[key] = Saved(fingerprint, (*turns, turn))

    async def finish(self, key: str, fingerprint: str, stop_reason: str) -> None:
        turns = self.saved[key].turns if key in self.saved else ()
        self.saved[key] = Saved(fingerprint, turns, stop_reason)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, stop_reason TEXT);
CREATE TABLE IF NOT EXISTS turns (
    key TEXT NOT NULL REFERENCES conversations (key), number INTEGER NOT NULL, turn TEXT NOT NULL,
    PRIMARY KEY (key, number)
);
"""


class SqliteCheckpoints(Checkpoints):
    """Keeps conversations in one SQLite file (WAL), written in worker threads."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with sqlite_errors(self.path):
            self._connection = open_sqlite(self.path, _SCHEMA)

    async def load(self, key: str) -> Saved | None:
        return await to_thread.run_sync(self._load, key)

    async def append(self, key: str, fingerprint: str, index: int, turn: Turn) -> None:
        await to_thread.run_sync(self._append, key, fingerprint, index, turn)

    async def finish(self, key: str, fingerprint: str, stop_reason: str) -> None:
        await to_thread.run_sync(self._finish, key, fingerprint, stop_reason)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _load(self, key: str) -> Saved | None:
        with self._lock, sqlite_errors(self.path):
            head = self._connection.execute(
                "SELECT fingerprint, stop_reason FROM conversations WHERE key = ?", (key,)
            ).fetchone()
            rows = self._connection.execute("SELECT turn FROM turns WHERE key = ? ORDER BY number", (key,)).fetchall()
        return None if head is None else Saved(head[0], tuple(turn_from_json(row[0]) for row in rows), head[1])

    def _append(self, key: str, fingerprint: str, index: int, turn: Turn) -> None:
        with self._lock, sqlite_errors(self.path), self._connection:
            self._connection.execute("INSERT OR IGNORE INTO conversations VALUES (?, ?, NULL)", (key, fingerprint))
            self._connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (key, index, turn_to_json(turn)))

    def _finish(self, key: str, fingerprint: str, stop_reason: str) -> None:
        with self._lock, sqlite_errors(self.path), self._connection:
            self._connection.execute(
                "INSERT INTO conversations VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET stop_reason = excluded.stop_reason",
                (key, fingerprint, stop_reason),
            )


def open_sqlite(path: Path, schema: str) -> sqlite3.Connection:
    """Opens a SQLite file in WAL mode and makes its tables; for use from several threads under a lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(schema)
    return connection


@contextmanager
def sqlite_errors(path: Path) -> Generator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" or "disk is full" in str(error):
            raise DiskFull(
                f"no room left to write {path.name}; what was stored is kept. Free some and go on"
            ) from error
        raise StoreError(f"{path.name} cannot be read or written: {error}") from error
