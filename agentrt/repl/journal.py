"""Where the prompt's runs are written down, and which of them can go on."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agentrt.errors import UsageError
from executor.journal import Journal, JournalBusy, JournalReadOnly, MemoryJournal, RunInfo, SqliteJournal, find_run

_LISTED = 200
"""Runs that are looked through for those to show, the latest."""


@contextmanager
def opened(path: Path | None) -> Generator[tuple[Journal, str]]:
    """The journal, and what there is to say about it.

    One process writes a journal at a time. Where another one does, or the file cannot be written, the runs of this
    session are kept in memory.

    Raises:
        JournalError: the file is damaged, or no journal.
    """
    trouble = ""
    with ExitStack() as stack:
        journal: Journal = MemoryJournal()
        if path is not None:
            try:
                _for_its_owner(path)
                found = stack.enter_context(SqliteJournal(path))
                journal, trouble = (found, "") if found.writable else (journal, f"{path} cannot be written")
            except (JournalBusy, JournalReadOnly, OSError) as error:
                trouble = str(error)
        yield journal, f"runs are kept for this session only: {trouble}" if trouble else ""


def _for_its_owner(path: Path) -> None:
    """Makes the file so that nobody else can read it: questions may be private."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def own_runs(journal: Journal) -> list[RunInfo]:
    """The latest runs, latest first, without those inside a step of another one."""
    return [run for run in journal.runs(limit=_LISTED) if "workflow_step" not in run.head]


def standing(run: RunInfo) -> str:
    """How a run stands while nothing runs: one that says it is running was interrupted."""
    return "interrupted" if run.status == "running" else run.status


def unfinished(journal: Journal) -> list[RunInfo]:
    """Runs that can go on, latest first: interrupted ones, and those that wait for a person."""
    return [run for run in own_runs(journal) if run.status in ("running", "parked")]


def run_called(journal: Journal, name: str) -> RunInfo:
    """The run that `name` means; without a name the latest that can go on.

    Raises:
        UsageError: there is none without a name.
        JournalError: there is no such run, or more than one.
    """
    if name:
        return find_run(journal, name)
    if not (waiting := unfinished(journal)):
        raise UsageError("no run was broken off and none waits; /runs shows all of them")
    return waiting[0]
