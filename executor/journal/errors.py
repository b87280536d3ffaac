"""What can be wrong with a journal. All of it is an `executor.errors.ExecutorError`.

JournalError
├── JournalBusy        another process writes it
├── JournalReadOnly    it can be read but not written
├── CorruptJournal     it is damaged
├── ForeignJournal     it is something else, or a newer version's
├── JournalFull        the disk has no room, or may not be written
├── UnknownRun         no run has that id
├── RunExists          a new run's id is taken
├── NotResumable       the run cannot go on as the program is now
└── ValueNotKept       a result that could not be kept is needed
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from executor.errors import ExecutorError


class JournalError(ExecutorError):
    """A journal that cannot be used as asked."""


class JournalBusy(JournalError):
    """Another process writes the journal."""

    def __init__(self, place: str, owner: str) -> None:
        super().__init__(
            f"{place} is being written by {owner}; wait for it, open the journal read-only, or use another file"
        )


class JournalReadOnly(JournalError):
    """The journal can be read but not written."""

    def __init__(self, place: str, why: str = "it was opened for reading") -> None:
        super().__init__(f"{place} cannot be written ({why}); runs in it can be shown and replayed, not resumed")


class CorruptJournal(JournalError):
    """The journal is damaged."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(
            f"{place} is damaged: {what}. Nothing was changed; "
            "restore a copy, or save what is left with `sqlite3 FILE .recover`"
        )


class ForeignJournal(JournalError):
    """The file is not a journal, or one of a version that this one does not know."""


class JournalFull(JournalError):
    """A group of records could not be written; the run stops there and can be resumed."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(
            f"{place} could not be written ({what}); the run was stopped at its last written record. "
            "Make room and resume it"
        )


class UnknownRun(JournalError):
    """No run has that id."""

    def __init__(self, run_id: str, known: Sequence[str], place: str) -> None:
        near = get_close_matches(run_id, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "`agentrt runs list` shows those there are"
        super().__init__(f"there is no run {run_id!r} in {place}; {hint}")
        self.run_id = run_id


class RunExists(JournalError):
    """A new run's id is taken."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is a run {run_id!r} already; resume it, or give the new one another id")


class ValueNotKept(JournalError):
    """A result is needed that the journal could not keep."""


class NotResumable(JournalError):
    """The run cannot go on as the program is now: a tool it needs is gone or has changed."""
