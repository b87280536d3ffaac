"""A journal that is gone with the process: for tests, and for approvals and replays within one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from executor.journal.errors import CorruptJournal, JournalError, RunExists, UnknownRun
from executor.journal.port import Journal, Letter, Record, RunInfo, Status


class MemoryJournal(Journal):
    """Keeps everything in memory, and everything the port promises but to outlive the process."""

    def __init__(self) -> None:
        self.place = "this process's memory"
        self.writable = True
        self._runs: dict[str, RunInfo] = {}
        self._records: dict[str, list[Record]] = {}
        self._blobs: dict[str, bytes] = {}
        self._letters: dict[int, tuple[str, Letter]] = {}
        self._sent = 0
        self._results: dict[str, tuple[str, float | None]] = {}
        self._durations: dict[str, tuple[int, float]] = {}

    def create(self, run: RunInfo) -> None:
        if run.id in self._runs:
            raise RunExists(run.id)
        self._runs[run.id] = run
        self._records[run.id] = []

    def append(
        self, run_id: str, records: Sequence[Record], *, status: Status | None = None, durable: bool = False
    ) -> None:
        kept = self._of(run_id)
        if [record.seq for record in records] != [*range(len(kept), len(kept) + len(records))]:
            raise JournalError(f"run {run_id}: a record's place is taken, or one is missing")
        kept.extend(records)
        if status is not None:
            self._runs[run_id] = replace(self._runs[run_id], status=status, updated=time.time())

    def read(self, run_id: str, *, kinds: Iterable[str] | None = None) -> Iterator[Record]:
        wanted = None if kinds is None else frozenset(kinds)
        return iter([record for record in self._of(run_id) if wanted is None or record.kind in wanted])

    def info(self, run_id: str) -> RunInfo:
        self._of(run_id)
        return self._runs[run_id]

    def runs(self, *, limit: int | None = None) -> list[RunInfo]:
        return [*reversed(self._runs.values())][:limit]

    def put_blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._blobs.setdefault(digest, data)
        return digest

    def get_blob(self, digest: str) -> bytes:
        if digest not in self._blobs:
            raise CorruptJournal(self.place, f"the value {digest[:12]}… is missing")
        return self._blobs[digest]

    def send(self, run_id: str, task: str | None, body: str) -> None:
        self._of(run_id)
        self._sent += 1
        self._letters[self._sent] = (run_id, Letter(self._sent, task, body))

    def letters(self, run_id: str) -> list[Letter]:
        self._of(run_id)
        return [letter for to, letter in self._letters.values() if to == run_id]

    def take(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            self._letters.pop(letter.number, None)

    def recall(self, key: str, *, now: float) -> str | None:
        data, expires = self._results.get(key, (None, None))
        return data if expires is None or expires > now else None

    def remember(self, key: str, data: str, *, expires: float | None) -> None:
        self._results[key] = (data, expires)

    def learn(self, durations: Mapping[str, tuple[int, float]]) -> None:
        for tool, (calls, seconds) in durations.items():
            had, took = self._durations.get(tool, (0, 0.0))
            self._durations[tool] = (had + calls, took + seconds)

    def durations(self) -> dict[str, float]:
        return {tool: seconds / calls for tool, (calls, seconds) in self._durations.items() if calls}

    def delete(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._of(run_id)
            del self._runs[run_id], self._records[run_id]
            self.take([letter for to, letter in [*self._letters.values()] if to == run_id])

    def vacuum(self) -> None:
        now = time.time()
        self._results = {key: kept for key, kept in self._results.items() if kept[1] is None or kept[1] > now}
        texts = [record.data or "" for records in self._records.values() for record in records]
        texts += [data for data, _ in self._results.values()]
        needed = {text[9:73] for text in texts if text.startswith('{"blob":"')}
        self._blobs = {digest: data for digest, data in self._blobs.items() if digest in needed}

    def close(self) -> None:
        """Nothing to let go of: the same object may be opened again, as a file is."""

    def _of(self, run_id: str) -> list[Record]:
        if run_id not in self._records:
            raise UnknownRun(run_id, list(self._runs), self.place)
        return self._records[run_id]
