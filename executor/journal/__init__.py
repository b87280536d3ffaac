"""What happened in a run, written down as it happens, so that the run can go on after a crash."""

from executor.journal.codec import NotStorable, decode, encode
from executor.journal.errors import (
    CorruptJournal,
    ForeignJournal,
    JournalBusy,
    JournalError,
    JournalFull,
    JournalReadOnly,
    NotResumable,
    RunExists,
    UnknownRun,
    ValueNotKept,
)
from executor.journal.log import RunLog, find_run, new_run_id
from executor.journal.memory import MemoryJournal
from executor.journal.past import Past, PastTask
from executor.journal.port import Journal, Letter, Record, RunInfo, Status
from executor.journal.redact import REDACTED, Redactor
from executor.journal.sqlite import SqliteJournal
from executor.journal.tasks import read_task

__all__ = [
    "REDACTED",
    "CorruptJournal",
    "ForeignJournal",
    "Journal",
    "JournalBusy",
    "JournalError",
    "JournalFull",
    "JournalReadOnly",
    "Letter",
    "MemoryJournal",
    "NotResumable",
    "NotStorable",
    "Past",
    "PastTask",
    "Record",
    "Redactor",
    "RunExists",
    "RunInfo",
    "RunLog",
    "SqliteJournal",
    "Status",
    "UnknownRun",
    "ValueNotKept",
    "decode",
    "encode",
    "find_run",
    "new_run_id",
    "read_task",
]
