"""What a journal is: append-only records of runs, blobs by digest, and an inbox.

The port is synchronous and small. Its methods are called from one thread at a time, which need not be the one
that made it. `executor.journal.log.RunLog` gathers records and writes them in groups; a backend only has to keep
what it is given, in order, all of a group or nothing. `executor.testing.JournalConformance` checks one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, NamedTuple, Self

Status = Literal["running", "parked", "finished", "failed", "cancelled"]
"""Where a run stands. A run that is `running` while nobody writes its journal was interrupted."""


class Record(NamedTuple):
    """One thing that happened in a run.

    Attributes:
        seq: its place in the run, from 0, without gaps.
        time: seconds on the monotonic clock of the process that wrote it.
        kind: an event's name, or one of the journal's own.
        task: the task it is about, if any.
        data: JSON text; None where there is nothing more to say.
    """

    seq: int
    time: float
    kind: str
    task: str | None
    data: str | None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as lists show it.

    Attributes:
        kind: what ran: `ask`, `plan`, `workflow`, or a caller's own word.
        title: for people: the question, or the workflow's name.
        created: seconds since the epoch.
        updated: likewise, of the last write.
        head: what is needed to run it again, as plain JSON data.
    """

    id: str
    kind: str
    title: str
    status: Status
    created: float
    updated: float
    head: Mapping[str, object] = field(default_factory=dict[str, object])


class Letter(NamedTuple):
    """A message to a run, from any process: an answer for `task`, or, without a task, to the run itself."""

    number: int
    task: str | None
    body: str


class Journal(ABC):
    """Where runs are written down. Use it as a context manager, or call `close`.

    Attributes:
        place: where it lives, for messages.
        writable: whether runs can be written; reading and leaving letters may still work where not.
    """

    place: str
    writable: bool

    @abstractmethod
    def create(self, run: RunInfo) -> None:
        """Adds a run without records. Raises RunExists where the id is taken."""

    @abstractmethod
    def append(
        self, run_id: str, records: Sequence[Record], *, status: Status | None = None, durable: bool = False
    ) -> None:
        """Adds records to a run, all or none, and sets its status.

        When it returns, the records survive the end of this process; if `durable`, also that of the machine.
        Raises JournalError when they could not be kept; nothing of the group is then.
        """

    @abstractmethod
    def read(self, run_id: str, *, kinds: Iterable[str] | None = None) -> Iterator[Record]:
        """The run's records in order; only those of `kinds`, if given. Raises UnknownRun."""

    @abstractmethod
    def info(self, run_id: str) -> RunInfo:
        """The run. Raises UnknownRun."""

    @abstractmethod
    def runs(self, *, limit: int | None = None) -> list[RunInfo]:
        """All runs, or the `limit` latest, latest first."""

    @abstractmethod
    def put_blob(self, data: bytes) -> str:
        """Keeps `data` once, however often it is given; returns its SHA-256 in hex."""

    @abstractmethod
    def get_blob(self, digest: str) -> bytes:
        """What was put. Raises CorruptJournal where it is missing or not what the digest says."""

    @abstractmethod
    def send(self, run_id: str, task: str | None, body: str) -> None:
        """Leaves a letter for a run, also while another process writes the journal. Raises UnknownRun."""

    @abstractmethod
    def letters(self, run_id: str) -> list[Letter]:
        """Letters that were not taken yet, oldest first."""

    @abstractmethod
    def take(self, letters: Iterable[Letter]) -> None:
        """Removes letters that have been acted on and written down."""

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` in this event loop whenever a letter arrives; returns what ends that.

        A backend that cannot tell leaves letters to be found when the run is resumed.
        """
        return lambda: None

    @abstractmethod
    def recall(self, key: str, *, now: float) -> str | None:
        """A cached result that has not expired; None where there is none."""

    @abstractmethod
    def remember(self, key: str, data: str, *, expires: float | None) -> None:
        """Caches a result until `expires` (seconds since the epoch), or until it is pruned."""

    @abstractmethod
    def learn(self, durations: Mapping[str, tuple[int, float]]) -> None:
        """Adds how often each tool was called and how many seconds that took."""

    @abstractmethod
    def durations(self) -> dict[str, float]:
        """Mean seconds of a call, by tool."""

    @abstractmethod
    def delete(self, run_ids: Iterable[str]) -> None:
        """Removes runs with their records and letters. Blobs go with `vacuum`."""

    @abstractmethod
    def vacuum(self) -> None:
        """Removes blobs that no record needs and expired results, and gives the space back."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the journal. Safe to call more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
