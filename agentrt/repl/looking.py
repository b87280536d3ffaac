"""`/runs`, `/trace` and `/save`: what this session did."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agentrt.errors import UsageError
from agentrt.repl.journal import own_runs, standing
from agentrt.repl.session import Session
from agentrt.trace.timeline import one_line

if TYPE_CHECKING:
    from agentrt.trace import RunTrace

_SHOWN = 20


async def runs(session: Session, _: str) -> None:
    """`/runs`: those of the journal, the latest last; those of this session have a number."""
    found = own_runs(session.journal)[:_SHOWN]
    numbers = {run.run_id: run.number for run in session.runs}
    if not found:
        session.say("Nothing has run yet.")
    for run in reversed(found):
        when = time.strftime("%m-%d %H:%M", time.localtime(run.created))
        number = numbers.get(run.id, "")
        session.say(f"{number:>3}  {standing(run):11} {run.id:14} {when}  {one_line(run.title, 200)}")


async def trace(session: Session, text: str) -> None:
    """`/trace`: a run in the terminal, or as a page when a file is named."""
    from agentrt.repl.commands import split
    from agentrt.trace import run_page, show_run

    words = split(text)
    file = path_of(words.pop()) if words and words[-1].endswith((".html", ".htm")) else None
    if len(words) > 1:
        raise UsageError("write /trace [RUN] [FILE.html]")
    told = _told(session, words[0] if words else "")
    if file is None:
        show_run(told, session.console)
    else:
        write(file, run_page(told))
        session.say(f"wrote {file}")


async def save(session: Session, text: str) -> None:
    """`/save`: the conversation as JSON or Markdown, by the file's name."""
    from agentrt.repl.commands import split
    from agentrt.repl.conversation import as_data, as_markdown
    from agentrt.trace.secrets import hide_in_text, without_secrets

    words = split(text)
    if len(words) != 1:
        raise UsageError("say where to: /save talk.md, or /save talk.json for everything")
    if not session.turns:
        raise UsageError("there is no answer to save yet")
    file = path_of(words[0])
    if file.suffix == ".json":
        data = without_secrets(json.loads(json.dumps(as_data(session.turns), default=str)))
        write(file, json.dumps(data, ensure_ascii=False, indent=2))
    else:
        write(file, hide_in_text(as_markdown(session.turns)))
    session.say(f"wrote {len(session.turns)} answer{'s' * (len(session.turns) != 1)} to {file}")


def path_of(text: str) -> Path:
    """The file that `text` names; `~` is the user's own folder."""
    return Path(text).expanduser()


def write(file: Path, text: str) -> None:
    """Writes a file. Raises UsageError where it cannot be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error


def run_names(session: Session, before: list[str]) -> list[str]:
    """Completes the name of a run."""
    return [] if before else [run.id for run in own_runs(session.journal)]


def _told(session: Session, name: str) -> RunTrace:
    """A run of this session by its number or id, the last one without a name; else one of the journal."""
    from agentrt.trace import journalled_trace, run_trace

    if not name and not session.runs:
        raise UsageError("nothing has run yet; /trace RUN shows a run of earlier, and /runs lists them")
    mine = (run for run in reversed(session.runs) if not name or name in (str(run.number), run.run_id))
    run = next(mine, None)
    if run is None:
        return journalled_trace(session.journal, name)
    if run.resumed:
        return journalled_trace(session.journal, run.run_id)
    told = run_trace(run.records)
    told.run_id = told.run_id or run.run_id
    return told
