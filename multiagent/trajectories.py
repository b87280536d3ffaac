"""What was generated and what it was worth: an append-only store in SQLite, and its export as JSON lines.

A record is a node of a tree of turns: the turns from the beginning up to it. A whole dialogue sampled on its own is a
tree of one node. Ratings are rows of their own, so nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

from annotated_types import Len
from pydantic import BaseModel, TypeAdapter

from multiagent.checkpoints import open_sqlite, sqlite_errors
from multiagent.errors import DiskFull, StoreError
from multiagent.redaction import Redaction
from multiagent.rewards import RewardParts
from multiagent.transcript import Transcript

Message: TypeAlias = dict[str, Any]
"""A chat message as `{"role": …, "content": …}`."""


@dataclass(frozen=True)
class Trajectory:
    """One node of a tree of turns.

    Attributes:
        id: unique in the store.
        tree: the tree it belongs to; all dialogues of one task and iteration share one.
        parent: the node before its last turn; None for a root or a whole dialogue.
        task: what it is about.
        iteration: of the training run.
        transcript: the turns up to here, with their tokens and logprobs.
        chats: each agent's view, its own turns as `assistant`; what is trained on.
        answer: the answer so far.
        stop_reason: why the dialogue ended; None for an inner node.
        model: names the model, with a hash where it is a folder.
        prompt_hash: of the system messages.
        visits: rollouts that passed through.
    """

    id: str
    tree: str
    task: str
    transcript: Transcript
    chats: Mapping[str, Sequence[Message]]
    parent: str | None = None
    iteration: int = 0
    answer: str | None = None
    stop_reason: str | None = None
    model: str = ""
    prompt_hash: str = ""
    visits: int = 1

    @property
    def whole(self) -> bool:
        """Whether the dialogue ended here."""
        return self.stop_reason is not None


@dataclass(frozen=True, slots=True)
class Rating:
    """What a node is worth: `value` is the mean reward of the rollouts through it, `parts` that of its own dialogue."""

    trajectory: str
    value: float
    parts: RewardParts | None = None


@dataclass(frozen=True)
class Pair:
    """Two ways to go on from one prompt, the first of which did better.

    Attributes:
        prompt: the messages before.
        chosen: the better message.
        rejected: the worse.
        value_chosen: its mean reward.
        value_rejected: that of the other.
        source: who made the pair: `optima`, `planner`, ….
        task: what it is about.
        iteration: of the training run.
    """

    prompt: Sequence[Message]
    chosen: Sequence[Message]
    rejected: Sequence[Message]
    value_chosen: float = 1.0
    value_rejected: float = 0.0
    source: str = "optima"
    task: str = ""
    iteration: int = 0

    @property
    def gap(self) -> float:
        """How much better the chosen message did."""
        return self.value_chosen - self.value_rejected


_TRAJECTORY = TypeAdapter(Trajectory)
_RATING = TypeAdapter(Rating)
_PAIR = TypeAdapter(Pair)


class _ChatMessage(BaseModel, extra="allow"):
    role: str
    content: str | None


_MESSAGES = TypeAdapter(Annotated[list[_ChatMessage], Len(1)])

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trajectories (
    id TEXT PRIMARY KEY, tree TEXT NOT NULL, task TEXT NOT NULL, iteration INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_iteration ON trajectories (iteration, task);
CREATE TABLE IF NOT EXISTS ratings (
    number INTEGER PRIMARY KEY, trajectory TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_trajectory ON ratings (trajectory);
CREATE TABLE IF NOT EXISTS pairs (
    hash TEXT PRIMARY KEY, source TEXT NOT NULL, iteration INTEGER NOT NULL, body BLOB NOT NULL
);
"""


@dataclass
class TrajectoryStore:
    """Trajectories, ratings and pairs in one SQLite file. Each `add` is one transaction: all of it or nothing.

    Args:
        path: the file; made if it is not there.
        redaction: applied to everything before it is written; None stores it as it is.
    """

    path: Path
    redaction: Redaction | None = None
    _connection: sqlite3.Connection = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        with sqlite_errors(self.path):
            self._connection = open_sqlite(self.path, _SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        """Stores trajectories; one that is stored already stays as it is.

        Raises:
            DiskFull: there is no room; none of these is stored, everything before is.
            StoreError: the file cannot be written.
        """
        rows = [
            (one.id, one.tree, one.task, one.iteration, self._text(_TRAJECTORY.dump_json(one))) for one in trajectories
        ]
        self._write("INSERT OR IGNORE INTO trajectories VALUES (?, ?, ?, ?, ?)", rows)

    def rate(self, ratings: Iterable[Rating]) -> None:
        """Adds ratings; the newest of a trajectory counts. Raises as `add`."""
        self._write(
            "INSERT INTO ratings (trajectory, body) VALUES (?, ?)",
            [(one.trajectory, _RATING.dump_json(one).decode()) for one in ratings],
        )

    def add_pairs(self, pairs: Iterable[Pair]) -> None:
        """Stores preference pairs; the same pair is stored once. Raises as `add`."""
        rows: list[tuple[object, ...]] = []
        for pair in pairs:
            body = self._text(_PAIR.dump_json(pair))
            said = json.dumps([list(pair.prompt), list(pair.chosen), list(pair.rejected)], sort_keys=True)
            rows.append((hashlib.sha256(said.encode()).hexdigest(), pair.source, pair.iteration, body))
        self._write("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?)", rows)

    def trajectories(self, *, iteration: int | None = None, task: str | None = None) -> Iterator[Trajectory]:
        """The stored trajectories in the order they came, of one iteration or task where given."""
        rows = self._read(
            "SELECT body FROM trajectories WHERE (?1 IS NULL OR iteration = ?1) AND (?2 IS NULL OR task = ?2) "
            "ORDER BY rowid",
            (iteration, task),
        )
        for (body,) in rows:
            yield _TRAJECTORY.validate_json(body)

    def tasks(self, iteration: int) -> set[str]:
        """The tasks that have trajectories of an iteration."""
        rows = self._read("SELECT DISTINCT task FROM trajectories WHERE iteration = ?", (iteration,))
        return {task for (task,) in rows}

    def ratings(self) -> dict[str, Rating]:
        """The newest rating of each trajectory."""
        found = (_RATING.validate_json(body) for (body,) in self._read("SELECT body FROM ratings ORDER BY number", ()))
        return {rating.trajectory: rating for rating in found}

    def pairs(self, *, iteration: int | None = None, source: str | None = None) -> Iterator[Pair]:
        """The stored pairs in the order they came, of one iteration or source where given."""
        rows = self._read(
            "SELECT body FROM pairs WHERE (?1 IS NULL OR iteration = ?1) AND (?2 IS NULL OR source = ?2) "
            "ORDER BY rowid",
            (iteration, source),
        )
        for (body,) in rows:
            yield _PAIR.validate_json(body)

    def export(self, path: Path, redaction: Redaction | None = None) -> int:
        """Writes every trajectory with its rating as a line of JSON. The file is whole or not there.

        Returns:
            The number of lines.
        """
        ratings = self.ratings()

        def lines() -> Iterator[str]:
            for one in self.trajectories():
                body = cast(dict[str, Any], json.loads(_TRAJECTORY.dump_json(one)))
                rating = ratings.get(one.id)
                body["rating"] = json.loads(_RATING.dump_json(rating)) if rating is not None else None
                text = json.dumps(body, ensure_ascii=False)
                yield redaction.text(text) if redaction is not None else text

        return write_lines(path, lines())

    def _text(self, body: bytes) -> str:
        text = body.decode()
        return self.redaction.text(text) if self.redaction is not None else text

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._lock, sqlite_errors(self.path), self._connection:
            self._connection.executemany(statement, rows)

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock, sqlite_errors(self.path):
            return self._connection.execute(statement, values).fetchall()


def read_pairs(path: Path, *, source: Literal["planner"] | str, iteration: int = 0) -> list[Pair]:
    """Preference pairs from a file of JSON lines with `prompt`, `chosen` and `rejected`, as the planner writes them.

    A prompt may be a text or a list of messages, an answer likewise.

    Raises:
        StoreError: a line is not such a pair; the message names it.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = cast(dict[str, Any], json.loads(line))
            pair = Pair(
                prompt=_messages(row["prompt"], "user"),
                chosen=_messages(row["chosen"], "assistant"),
                rejected=_messages(row["rejected"], "assistant"),
                value_chosen=float(row.get("value_chosen", 1.0)),
                value_rejected=float(row.get("value_rejected", 0.0)),
                source=source,
                iteration=iteration,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path.name}:{number} is no preference pair ({type(error).__name__}: {error}); "
                "a line needs prompt, chosen and rejected"
            ) from error
        pairs.append(pair)
    return pairs


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Writes a text file line by line, whole or not at all; returns the number of lines.

    Raises:
        DiskFull: there is no room. What was there before stays.
    """
    part = path.with_suffix(path.suffix + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line}\n")
                count += 1
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno == 28:  # ENOSPC
            raise DiskFull(
                f"no room left to write {path.name}; what was stored is kept. Free some and go on"
            ) from error
        raise StoreError(f"{path.name} cannot be written: {error}") from error
    return count


def _messages(said: object, role: str) -> list[Message]:
    if isinstance(said, str):
        return [{"role": role, "content": said}]
    return [message.model_dump() for message in _MESSAGES.validate_python(said)]
