"""`/runs`, `/trace` and `/save`: what this session did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from agentrt.errors import UsageError
from agentrt.repl.session import Session, SessionRun

if TYPE_CHECKING:
    from agentrt.trace import RunTrace


async def runs(session: Session, _: str) -> None:
    """`/runs`."""
    if not session.runs:
        session.say("Nothing has run yet.")
    for run in session.runs:
        session.say(f"{run.number:>3}  {run.ending:9} {run.run_id:14} {run.title}")


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
    return [] if before else [run.run_id or str(run.number) for run in session.runs]


def of_session(session: Session, name: str) -> SessionRun | None:
    """The session's run with this number or id; the last one without a name."""
    if not name:
        return session.runs[-1] if session.runs else None
    return next((run for run in session.runs if name in (str(run.number), run.run_id)), None)


def _told(session: Session, name: str) -> RunTrace:
    from agentrt.trace import run_trace

    run = of_session(session, name)
    if run is None:
        known = ", ".join(run_names(session, [])) or "none yet"
        raise UsageError(f"there is no run {name!r}; there are: {known}" if name else "nothing has run yet")
    told = run_trace(run.records)
    told.run_id = told.run_id or run.run_id
    return told
