"""The runs of a runtime: where they are written down, and what each may spend."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from agentrt.durable import spent_by
from agentrt.errors import UsageError
from executor import Account, Budget
from executor.journal import Journal, Redactor, RunInfo, RunLog, SqliteJournal


class Runs:
    """Begins runs, goes on with them, and keeps their accounts.

    Args:
        where: the journal's file, or a journal; None writes nothing down.
        budget: what one run may spend.
        secrets: values that are never written down.
        begun: told of every run that begins or goes on, once it is in the journal.

    Attributes:
        budget: as given.
        redactor: takes the secrets out of what is written.
    """

    def __init__(
        self,
        where: str | Path | Journal | None,
        *,
        budget: Budget | None = None,
        secrets: Iterable[str] = (),
        begun: Callable[[RunInfo], None] | None = None,
    ) -> None:
        self.budget = budget
        self.redactor = Redactor(secrets)
        self._where = where
        self._begun = begun
        self._journal: Journal | None = None

    @contextmanager
    def opened(self) -> Generator[Journal | None]:
        """The journal, open within the block; one that was given is left open."""
        with ExitStack() as stack:
            where = self._where
            if where is not None and not isinstance(where, Journal):
                where = stack.enter_context(SqliteJournal(where))
            self._journal = where
            try:
                yield where
            finally:
                self._journal = None

    @property
    def journal(self) -> Journal:
        """The open journal. Raises UsageError without one."""
        if self._journal is None:
            raise UsageError("this runtime has no journal; give it one: Runtime(..., journal='runs.db')")
        return self._journal

    def start(
        self,
        kind: str,
        title: str,
        head: Mapping[str, object],
        *,
        run_id: str | None = None,
        budget: Budget | None = None,
    ) -> RunLog | None:
        """Begins a run; None where nothing is written down.

        Args:
            kind: what kind of run it is.
            title: for lists of runs.
            head: kept with it, as plain JSON data; the budget is added.
            run_id: of the new run; made up by default.
            budget: kept where this runtime has none of its own.
        """
        if self._journal is None:
            return None
        limits = self.budget or budget
        kept = {**head, "budget": None if limits is None else limits.to_json()}
        log = RunLog.start(self._journal, kind=kind, title=title, head=kept, run_id=run_id, redactor=self.redactor)
        return self._told(log)

    def resume(self, info: RunInfo) -> RunLog:
        """Goes on with a run. Raises NotResumable, JournalError."""
        return self._told(RunLog.resume(self.journal, info.id, redactor=self.redactor))

    def account(self, log: RunLog | None, budget: Budget | None = None) -> Account | None:
        """What a run may still spend; None without a limit.

        Args:
            log: a resumed run keeps to its own budget, unless this runtime has another one, and what it spent counts.
            budget: for a run that is not written down, where this runtime has none of its own.
        """
        if log is None:
            limits = self.budget or budget
            return None if limits is None else Account(limits)
        kept = log.info.head.get("budget")
        limits = self.budget or (Budget.from_json(cast("dict[str, Any]", kept)) if kept else None)
        if limits is None:
            return None
        resumed = log.past.openings > 0
        return Account(limits, spent_by(log.journal, log.id, limits.prices)) if resumed else Account(limits)

    def _told(self, log: RunLog) -> RunLog:
        if self._begun is not None:
            self._begun(log.info)
        return log
