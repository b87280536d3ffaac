"""What a shell may complete: runs of the journal, and models of the catalogue. Without them, nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import typer

_SHOWN = 50


def complete_run(context: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Ids of the latest runs in the journal that the command names, with what they are about."""
    from agentrt.serving.home import home
    from executor.journal import JournalError, SqliteJournal

    given = context.params.get("journal") or os.environ.get("AGENTRT_JOURNAL")
    path = Path(given) if given else home() / "runs.db"
    try:
        with SqliteJournal(path, read_only=True) as journal:
            runs = journal.runs(limit=_SHOWN)
    except (JournalError, OSError):
        return
    for run in runs:
        if run.id.startswith(incomplete):
            yield run.id, f"{run.status}: {run.title[:60]}"


def complete_model(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the catalogue."""
    from agentrt.serving.catalogue import CATALOGUE

    for name, entry in CATALOGUE.items():
        if name.startswith(incomplete):
            yield name, entry.note
