"""The tables of a SQLite journal, and how an older one becomes this one."""

from __future__ import annotations

import sqlite3

from executor.journal.errors import ForeignJournal

# "agrt": how SQLite files say whose they are.
APPLICATION_ID = 0x61677274

# Each entry brings a journal from version `index` to `index + 1`. Entries are never changed, only added.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, title TEXT NOT NULL,
            status TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, head TEXT NOT NULL)""",
        """CREATE TABLE records (
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE, seq INTEGER NOT NULL, time REAL NOT NULL,
            kind TEXT NOT NULL, task TEXT, data TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID""",
        "CREATE TABLE blobs (digest TEXT PRIMARY KEY, data BLOB NOT NULL)",
    ),
    (
        """CREATE TABLE letters (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE, task TEXT, body TEXT NOT NULL)""",
        "CREATE TABLE results (key TEXT PRIMARY KEY, data TEXT NOT NULL, expires REAL)",
        "CREATE TABLE durations (tool TEXT PRIMARY KEY, calls INTEGER NOT NULL, seconds REAL NOT NULL)",
    ),
)
VERSION = len(MIGRATIONS)


def version_of(database: sqlite3.Connection, place: str) -> int:
    """The version of the journal in `database`; 0 for an empty file.

    Raises:
        ForeignJournal: it is no journal, or a newer version's.
        sqlite3.DatabaseError: it is no database.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ForeignJournal(f"{place} is a SQLite database, but not a journal; name another file")
    if version > VERSION:
        raise ForeignJournal(
            f"{place} was written by a newer version (journal version {version}, this one knows up to {VERSION}); "
            "update agentrt, or use another file"
        )
    return version


def migrate(database: sqlite3.Connection, version: int) -> None:
    """Brings the tables from `version` to this one, all steps or none."""
    if version == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
