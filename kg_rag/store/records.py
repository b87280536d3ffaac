"""The SQLite half of a snapshot: its tables, and the writer that streams records into them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE kind (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE vocabulary (field TEXT, code INTEGER, text TEXT NOT NULL, PRIMARY KEY (field, code)) WITHOUT ROWID;
CREATE TABLE node (
    idx INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, kind INTEGER NOT NULL REFERENCES kind,
    description TEXT, attributes TEXT
);
CREATE TABLE synonym (node INTEGER NOT NULL REFERENCES node, name TEXT NOT NULL);
CREATE INDEX synonym_of ON synonym (node);
CREATE TABLE edge (
    idx INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES node, target INTEGER NOT NULL REFERENCES node,
    type INTEGER NOT NULL, stated_by INTEGER NOT NULL, evidence INTEGER NOT NULL, licence INTEGER NOT NULL
);
CREATE TABLE edge_attributes (edge INTEGER PRIMARY KEY REFERENCES edge, json TEXT NOT NULL);
CREATE TABLE phrase (text TEXT, node INTEGER, rank INTEGER NOT NULL, PRIMARY KEY (text, node)) WITHOUT ROWID;
CREATE TABLE sorted_phrase (text TEXT, node INTEGER, rank INTEGER NOT NULL, PRIMARY KEY (text, node)) WITHOUT ROWID;
CREATE TABLE initials (text TEXT, node INTEGER, rank INTEGER NOT NULL, PRIMARY KEY (text, node)) WITHOUT ROWID;
CREATE TABLE rewrite (gone TEXT, new TEXT, support INTEGER NOT NULL, PRIMARY KEY (gone, new)) WITHOUT ROWID;
CREATE TABLE indexed_name (doc INTEGER PRIMARY KEY, node INTEGER NOT NULL, rank INTEGER NOT NULL, text TEXT NOT NULL);
"""

EdgeRow = tuple[int, int, int, int, int, int, int]
"""idx, source, target, type, stated_by, evidence, licence."""


class Vocabulary:
    """Numbers strings in the order they are first seen, from 0."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def code(self, text: str) -> int:
        """The number of `text`, a new one where it was not seen before."""
        found = self._codes.get(text)
        if found is None:
            found = self._codes[text] = len(self._codes)
        return found


class RecordWriter:
    """Writes a snapshot's records. One transaction; the file is of no use before `finish`."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        # A crash leaves a folder nobody reads, so the journal would only cost time.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {pragma}").close()
        self._database.executescript(TABLES)
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Closes the file without finishing it."""
        self._database.close()

    def node(self, index: int, node_id: str, name: str, kind: int, description: str, attributes: str | None) -> None:
        """Adds one node."""
        row = (index, node_id, name, kind, description or None, attributes)
        self._database.execute("INSERT INTO node VALUES (?, ?, ?, ?, ?, ?)", row)

    def synonyms(self, index: int, names: Iterable[str]) -> None:
        """Adds further names of a node."""
        self._database.executemany("INSERT INTO synonym VALUES (?, ?)", ((index, name) for name in names))

    def further_synonyms(self, index: int, names: Iterable[str]) -> None:
        """Adds names of a node that is there already, without those it has."""
        held = "SELECT name FROM node WHERE idx = ? UNION ALL SELECT name FROM synonym WHERE node = ?"
        known = {row[0] for row in self._database.execute(held, (index, index))}
        self.synonyms(index, (name for name in names if name not in known))

    def edges(self, rows: Iterable[EdgeRow]) -> None:
        """Adds edges from a stream; while it runs, no other method but `edge_attributes` may be called."""
        self._database.executemany("INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def edge_attributes(self, rows: Iterable[tuple[int, str]]) -> None:
        """Adds attributes of edges, as JSON text."""
        self._database.executemany("INSERT INTO edge_attributes VALUES (?, ?)", rows)

    def names(self) -> Iterator[tuple[int, int, str]]:
        """Every name in the graph: node, rank (0 a node's own name, 1 a synonym), text."""
        own = "SELECT idx, 0, name FROM node UNION ALL SELECT node, 1, name FROM synonym"
        yield from self._database.cursor().execute(own)

    def names_by_node(self) -> Iterator[tuple[int, str]]:
        """The names of every node that has synonyms, its own first: node, text."""
        own = "SELECT idx AS node, -1 AS place, name FROM node WHERE idx IN (SELECT node FROM synonym)"
        sql = f"SELECT node, name FROM ({own} UNION ALL SELECT node, rowid, name FROM synonym) ORDER BY node, place"
        yield from self._database.cursor().execute(sql)

    def rewrites(self, rows: Iterable[tuple[str, str, int]]) -> None:
        """Adds rewriting rules: what is taken away, what is put there, and how many nodes show it."""
        self._database.executemany("INSERT INTO rewrite VALUES (?, ?, ?)", rows)

    def phrases(self, table: str, rows: Iterable[tuple[str, int, int]]) -> None:
        """Adds to `phrase`, `sorted_phrase` or `initials`: text, node, rank; the first of several equal pairs stays."""
        self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", rows)

    def indexed_names(self, rows: Iterable[tuple[int, int, int, str]]) -> None:
        """Adds what the name index numbers: doc, node, rank, text."""
        self._database.executemany("INSERT INTO indexed_name VALUES (?, ?, ?, ?)", rows)

    def finish(self, meta: Mapping[str, str], kinds: Iterable[str], vocabularies: Mapping[str, Iterable[str]]) -> None:
        """Writes the vocabularies, commits and closes."""
        run = self._database.executemany
        run("INSERT INTO meta VALUES (?, ?)", meta.items())
        run("INSERT INTO kind VALUES (?, ?)", enumerate(kinds))
        for field, texts in vocabularies.items():
            run("INSERT INTO vocabulary VALUES (?, ?, ?)", ((field, code, text) for code, text in enumerate(texts)))
        self._database.execute("COMMIT")
        self._database.execute("ANALYZE")
        self._database.close()


def as_json(attributes: Mapping[str, object] | str | None) -> str | None:
    """Attributes as JSON text; text is taken to be JSON already."""
    if not attributes:
        return None
    return attributes if isinstance(attributes, str) else json.dumps(attributes, ensure_ascii=False)
