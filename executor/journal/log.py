"""One run's part of a journal, as it is written: gathers records, and writes those of an event-loop turn as a group."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple

import anyio.to_thread

from executor.events import TaskAdded, TaskFailed, TaskFinished, TaskStarted
from executor.journal.codec import NotStorable, encode
from executor.journal.errors import JournalError
from executor.journal.past import Past, kept_value
from executor.journal.port import Journal, Record, RunInfo, Status
from executor.journal.redact import Redactor
from executor.journal.tasks import write_task
from executor.plan import Task

# Longer values are kept once, as blobs. Bytes of JSON text.
_INLINE = 1_024
_MAX_VALUE = 64 * 1024 * 1024
_PREVIEW = 200
_SMALL = 10_000_000  # too short for a secret


def new_run_id() -> str:
    """An id for a run: 12 hex digits."""
    return secrets.token_hex(6)


class RunLog:
    """Writes what happens in one run, and knows what happened before.

    Records are gathered and written as one group at the end of the event loop's turn, so that a thousand calls which
    never wait cost one commit. `durable` writes at once and waits for the disk, in a worker thread.

    Args:
        journal: where to.
        info: the run, which is in the journal.
        past: what the journal says about it.
        redactor: keeps secrets out; one that knows the environment's by default.
        max_value: bytes of JSON text a result may take; of a longer one only digest and size are kept.

    Attributes:
        past: what had happened when the log was opened.
        redactor: keeps secrets out, also of logs that are started beside this one.
    """

    def __init__(
        self,
        journal: Journal,
        info: RunInfo,
        past: Past,
        *,
        redactor: Redactor | None = None,
        max_value: int = _MAX_VALUE,
    ) -> None:
        self.journal = journal
        self.info = info
        self.past = past
        self.redactor = redactor or Redactor()
        self.clean = self.redactor.clean
        self._max_value = max_value
        self._seq = past.records
        self._buffer: list[Record] = []
        self._scheduled = False
        self._writing: asyncio.Lock | None = None
        self._broken: JournalError | None = None
        self._tools: dict[str, str] = past.tool_versions
        self._note_opening()

    @classmethod
    def start(
        cls,
        journal: Journal,
        *,
        kind: str = "plan",
        title: str = "",
        head: Mapping[str, object] | None = None,
        run_id: str | None = None,
        redactor: Redactor | None = None,
        max_value: int = _MAX_VALUE,
    ) -> RunLog:
        """Begins a new run. `head` is what is needed to run it again, as plain JSON data.

        Raises:
            RunExists: `run_id` is taken.
            JournalError: the journal cannot be written.
        """
        redactor = redactor or Redactor()
        now = time.time()
        written = json.loads(redactor.clean(json.dumps(head or {})))
        name = redactor.clean(title)
        info = RunInfo(run_id or new_run_id(), kind, name, "running", now, now, written)
        journal.create(info)
        return cls(journal, info, Past(), redactor=redactor, max_value=max_value)

    @classmethod
    def resume(
        cls, journal: Journal, run_id: str, *, redactor: Redactor | None = None, max_value: int = _MAX_VALUE
    ) -> RunLog:
        """Goes on with a run.

        Raises:
            UnknownRun: there is no such run.
            JournalError: the journal cannot be written.
        """
        info = journal.info(run_id)
        past = Past.of(journal.read(run_id))
        return cls(journal, info, past, redactor=redactor, max_value=max_value)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.info.id

    def write(self, event: NamedTuple) -> None:
        """Notes an event; written by the end of this turn of the event loop.

        Raises:
            JournalError: an earlier group could not be written.
        """
        kind = type(event)
        task: str | None
        if kind is TaskFinished:
            task, data = event[1], self.value_text(event[2])
        elif kind is TaskStarted:
            task, data = event[1], None
        elif kind is TaskAdded:
            task, data = event[1].id, self.clean(write_task(event[1]))
        elif kind is TaskFailed:
            task, data = event[1], self.clean(encode({"error": event[2], "type": event[3]}))
        else:
            fields = event._asdict()
            time_of = fields.pop("time")
            task = fields.pop("id", None)
            self._add(time_of, kind.__name__, task, self.clean(encode(fields)))
            return
        self._add(event[0], kind.__name__, task, data)

    def note(self, kind: str, data: Mapping[str, object] | None = None, *, task: str | None = None) -> None:
        """Notes something that is no event; written with the next group."""
        self._add(time.monotonic(), kind, task, None if data is None else self.clean(encode(dict(data))))

    def task_text(self, task: Task) -> str:
        """How a task is written."""
        return self.clean(write_task(task))

    def value(self, data: str | None, where: str) -> object:
        """The result in a `TaskFinished` record. Raises ValueNotKept, CorruptJournal."""
        return kept_value(self.journal, data, where)

    def past_records(self) -> list[Record]:
        """The records that were there when the log was opened."""
        return [record for record in self.journal.read(self.id) if record.seq < self.past.records]

    def note_tools(self, versions: Mapping[str, str]) -> None:
        """Notes the versions of tools, where the run does not know them yet."""
        if new := {name: version for name, version in versions.items() if name not in self._tools}:
            self._tools |= new
            self.note("Tools", new)

    def value_text(self, value: object) -> str:
        """How a result is written: itself, its blob's digest, or why it cannot be kept."""
        if type(value) is int and -_SMALL < value < _SMALL:
            return f'{{"value":{value}}}'
        try:
            text = encode(value)
        except NotStorable as error:
            return self._lost(value, str(error))
        if self.clean(text) is not text:
            return self._lost(value, "it contains a secret")
        if len(text) <= _INLINE:
            return f'{{"value":{text}}}'
        if len(text) > self._max_value:
            limit = f"it is {len(text):,} bytes long, and at most {self._max_value:,} are kept"
            return self._lost(value, limit, digest=hashlib.sha256(text.encode()).hexdigest(), preview=text[:_PREVIEW])
        return f'{{"blob":"{self.journal.put_blob(text.encode())}","size":{len(text)}}}'

    def _lost(self, value: object, why: str, *, digest: str | None = None, preview: str | None = None) -> str:
        if preview is None:
            try:
                preview = repr(value)[:_PREVIEW]
            except Exception as error:  # a stranger's __repr__
                preview = f"{type(value).__name__} ({error!r})"
        said: dict[str, object] = {"lost": why, "type": type(value).__name__, "preview": preview}
        if digest is not None:
            said["digest"] = digest
        return self.clean(encode(said))

    def flush(self, *, status: Status | None = None) -> None:
        """Writes what was gathered. Raises JournalError; the run cannot go on then."""
        if self._broken is not None:
            raise self._broken
        records, self._buffer = self._buffer, []
        if not records and status is None:
            return
        try:
            self.journal.append(self.id, records, status=status)
        except JournalError as error:
            self._buffer = records
            self._broken = error
            raise
        if status is not None:
            self.info = replace(self.info, status=status)

    async def durable(self) -> None:
        """Writes what was gathered and waits until it is on the disk. Raises JournalError.

        Calls that wait at the same time share one write.
        """
        if self._writing is None:
            self._writing = asyncio.Lock()
        upto = self._seq
        async with self._writing:
            if self._broken is not None:
                raise self._broken
            if self._buffer and self._buffer[0].seq < upto:
                records, self._buffer = self._buffer, []

                def append() -> None:
                    self.journal.append(self.id, records, durable=True)

                try:
                    # What is begun is finished: a cancelled caller must not leave the group half known.
                    with anyio.CancelScope(shield=True):
                        await anyio.to_thread.run_sync(append)
                except JournalError as error:
                    self._broken = error
                    raise
                finally:
                    if self._scheduled:
                        asyncio.get_running_loop().call_soon(self._turn_ends)

    @contextmanager
    def closing(self) -> Generator[dict[str, object]]:
        """Closes the run as it ended when the block is left; what the block puts into the dict is kept with it.

        A block that is cancelled leaves the run as one that was interrupted, to be resumed.
        """
        said: dict[str, object] = {}
        try:
            yield said
        except Exception as error:
            status = _status_of(error)
            with suppress(JournalError):
                self.end(status, {"error": self.clean(str(error))})
            raise
        except BaseException:
            with suppress(JournalError):
                self.settle()
            raise
        self.end("finished", said)

    def settle(self) -> None:
        """Writes what was gathered, where nothing has gone wrong yet. Raises JournalError."""
        if self._broken is None:
            self.flush()

    def learn(self, took: Mapping[str, tuple[int, float]]) -> None:
        """Adds how often each tool was called and how many seconds that took."""
        if self._broken is None:
            self.journal.learn(took)

    def end(self, status: Status, data: Mapping[str, object] | None = None) -> None:
        """Closes the run as `status`. Raises JournalError."""
        self.note("Ended", {"status": status, **(data or {})})
        self.flush(status=status)

    def _add(self, at: float, kind: str, task: str | None, data: str | None) -> None:
        if self._broken is not None:
            raise self._broken
        self._buffer.append(Record(self._seq, at, kind, task, data))
        self._seq += 1
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._scheduled = False
        if self._writing is not None and self._writing.locked():
            # A durable write is under way in a thread; it calls again when it is done.
            self._scheduled = True
            return
        with suppress(JournalError):  # the next write raises it where the run can see it
            self.flush()

    def _note_opening(self) -> None:
        said: dict[str, Any] = {"wall": time.time(), "process": os.getpid(), "again": self.past.openings > 0}
        self._buffer.append(Record(self._seq, time.monotonic(), "Opened", None, encode(said)))
        self._seq += 1
        self.journal.append(self.id, self._buffer, status="running")
        self._buffer = []


def find_run(journal: Journal, name: str) -> RunInfo:
    """The run with this id, or the only one whose id begins so. Raises UnknownRun."""
    found = [run for run in journal.runs() if run.id.startswith(name)] if name else []
    exact = [run for run in found if run.id == name]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if found:
        raise JournalError(f"{name} may be {', '.join(run.id for run in found[:10])}; write more of it")
    return journal.info(name)


def _status_of(error: Exception) -> Status:
    return getattr(error, "run_status", "failed")
