"""`agentrt runs`: what was run, and going on with it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agentrt.cli.completing import complete_run
from agentrt.cli.options import AsJson, Model, Tools, load, print_json
from agentrt.cli.watched import Watch, Watched, Yes, options_given
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from agentrt.answer import Answer
    from executor.journal import Journal, RunInfo

app = typer.Typer(name="runs", help="List, show, resume, replay, approve and remove runs.", no_args_is_help=True)

RunId = Annotated[
    str,
    typer.Argument(help="The run's id, or the beginning of it.", metavar="RUN", autocompletion=complete_run),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        envvar="AGENTRT_JOURNAL",
        help="The journal.",
        show_default="runs.db in AGENTRT_HOME",
    ),
]
_DAY = 86_400.0


def journal_file(given: Path | None) -> Path:
    """The journal a command means."""
    from agentrt.serving.home import home

    return given or home() / "runs.db"


def opened(given: Path | None, *, read_only: bool = True) -> Journal:
    """The journal, which must exist."""
    from executor.journal import SqliteJournal

    path = journal_file(given)
    if not path.exists():
        raise UsageError(f"there is no journal {path}; `agentrt ask … --journal FILE` writes one")
    return SqliteJournal(path, read_only=read_only)


@app.command("list")
def list_runs(
    journal: JournalFile = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the latest first.

    Example: `agentrt runs list --limit 5`
    """
    from rich.console import Console
    from rich.table import Table

    with opened(journal) as book:
        runs = book.runs(limit=limit)
    if as_json:
        print_json([_as_data(run) for run in runs])
        return
    table = Table("run", "what", "status", "when", "title", box=None)
    for run in runs:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created))
        table.add_row(run.id, run.kind, run.status, when, run.title[:80])
    Console().print(table)


@app.command()
def show(run: RunId, journal: JournalFile = None, as_json: AsJson = False) -> None:
    """Show a run: its tasks, how they ended, and what waits for an answer.

    Example: `agentrt runs show 3fa9`
    """
    from executor.approval import pending
    from executor.journal import Past, find_run

    with opened(journal) as book:
        info = find_run(book, run)
        past = Past.of(book.read(info.id))
        waiting = pending(book, info.id)
    tasks = [
        {"id": name, "call": task.task.call, "state": task.state, "calls": task.calls}
        for name, task in past.tasks.items()
    ]
    if as_json:
        asked = [approval._asdict() for approval in waiting]
        print_json({**_as_data(info), "records": past.records, "tasks": tasks, "waiting": asked})
        return
    typer.echo(f"{info.id}  {info.kind}  {info.status}  {info.title}")
    for task in tasks:
        typer.echo(f"  {task['id']}. {task['call']}: {task['state']}")
    for approval in waiting:
        typer.echo(f"\ntask {approval.task} waits: {approval.question}")
        typer.echo(f"  {approval.tool} {approval.arguments}")
        if approval.origins:
            typer.echo(f"  its arguments come from: {', '.join(approval.origins)}")
        typer.echo(f"  agentrt runs approve {info.id} {approval.task}   (or --no, or --value JSON)")


@app.command()
def resume(
    run: RunId,
    model: Model = None,
    tools: Tools = None,
    journal: JournalFile = None,
    yes: Yes = False,
    watch: Watch = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was interrupted or waits; what has ended is not done again.

    Give it the tools it was started with.

    Example: `agentrt runs resume 3fa9 --tools my_tools.py`
    """
    import anyio
    from rich.console import Console

    from agentrt.trace import show_answer
    from executor.journal import find_run

    with opened(journal) as book:
        info = find_run(book, run)
    options = options_given(tools=tools, model=model)
    watched = Watched(info.title, again="runs resume", journal=journal, options=options, yes=yes, watch=watch)
    if "workflow" in info.head:
        from agentrt.cli.run import ended, resume_run

        with watched.stopping():
            result = anyio.run(resume_run, info.id, load(tools), model, journal, watched)
        ended(result, as_json=as_json)
        return
    with watched.stopping():
        found = anyio.run(_resume, info, model, tools, journal_file(journal), watched)
    if isinstance(found, dict):
        print_json({name: _outcome(end) for name, end in found.items()})
    elif as_json:
        print_json(found.to_json())
    else:
        show_answer(found, Console())


async def _resume(
    info: RunInfo, model: str | None, tools: list[str] | None, journal: Path, watched: Watched
) -> Answer | dict[str, Any]:
    from agentrt.runtime import DEFAULT_MODEL, Runtime
    from agentrt.trace import ProgressBar

    needs_model = info.kind == "ask" and info.status != "finished"
    bar = ProgressBar()
    with bar:
        chosen = (model or DEFAULT_MODEL) if needs_model else None
        async with Runtime(
            chosen,
            load(tools),
            journal=journal,
            approvals=watched.approvals,
            begun=watched.begun,
            progress=bar,
        ) as rt:
            bar.stop()
            with watched.shown() as see:
                found = await rt.resume(info.id, see)
            return cast("Answer | dict[str, Any]", found)  # workflows go their own way


@app.command()
def replay(run: RunId, tools: Tools = None, journal: JournalFile = None, as_json: AsJson = False) -> None:
    """Tell a finished run again with the program of today, calling nothing; says where it goes another way.

    Without `--tools` the recorded events are printed, and nothing is compared.

    Example: `agentrt runs replay 3fa9 --tools my_tools.py`
    """
    import anyio

    from executor import to_json

    events = anyio.run(_replay, run, tools, journal_file(journal))
    for event in events:
        if type(event).__name__ != "Answered":
            typer.echo(json.dumps(to_json(event), ensure_ascii=False, default=str))
    if not as_json:
        compared = "all as they were" if tools else "as they were recorded; give --tools to compare"
        typer.echo(f"{len(events)} events, {compared}", err=True)


async def _replay(run: str, tools: list[str] | None, journal: Path) -> tuple[Any, ...]:
    from agentrt.durable import retell
    from agentrt.runtime import Runtime
    from executor.journal import SqliteJournal, find_run

    with SqliteJournal(journal, read_only=True) as book:
        if not tools:
            return (*retell(book, find_run(book, run).id).events,)
        async with Runtime(None, load(tools), journal=book) as rt:
            return (await rt.replay(run)).events


@app.command()
def approve(
    run: RunId,
    task: Annotated[str, typer.Argument(help="The task that waits.")],
    no: Annotated[bool, typer.Option("--no", help="Refuse the call.")] = False,
    value: Annotated[str | None, typer.Option(metavar="JSON", help="It did happen: this is its result.")] = None,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    journal: JournalFile = None,
    as_json: AsJson = False,
) -> None:
    """Answer a call that waits: yes, or --no, or --value with its result.

    Works while another process works on the run, and while none does.

    Example: `agentrt runs approve 3fa9 4`
    """
    from executor.approval import Verdict, answer
    from executor.journal import find_run

    if no and value is not None:
        raise UsageError("--no and --value contradict each other")
    verdict = Verdict("no" if no else "yes" if value is None else "value", note, _parsed(value))
    with opened(journal) as book:
        info = find_run(book, run)
        answered = answer(book, info.id, task, verdict)
    if as_json:
        print_json({"answer": verdict.answer, **answered._asdict()})
    else:
        typer.echo(f"{verdict.answer}: task {answered.task}, {answered.tool} {answered.arguments}")
    if info.status != "running":
        typer.echo(f"go on with `agentrt runs resume {info.id}`", err=True)


@app.command()
def cancel(run: RunId, journal: JournalFile = None, as_json: AsJson = False) -> None:
    """Ask whoever works on a run to stop.

    Example: `agentrt runs cancel 3fa9`
    """
    from executor.approval import cancel as ask_to_stop
    from executor.journal import find_run

    with opened(journal) as book:
        info = find_run(book, run)
        if info.status in ("finished", "failed", "cancelled"):
            raise UsageError(f"run {info.id} has ended already ({info.status})")
        ask_to_stop(book, info.id)
    if as_json:
        print_json({"id": info.id, "asked_to_stop": True})
    else:
        typer.echo(f"asked run {info.id} to stop")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="Keep so many of the latest runs.")] = 100,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Remove runs older than this.")
    ] = None,
    every_status: Annotated[bool, typer.Option("--all", help="Also runs that have not ended.")] = False,
    journal: JournalFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove old runs that have ended, and give their space back.

    Example: `agentrt runs prune --keep 20`
    """
    with opened(journal, read_only=False) as book:
        runs = book.runs()[keep:] if older_than is None else book.runs()
        before = time.time() - (older_than or 0) * _DAY
        gone = [
            run.id
            for run in runs
            if (every_status or run.status not in ("running", "parked"))
            and (older_than is None or run.updated < before)
        ]
        book.delete(gone)
        book.vacuum()
    if as_json:
        print_json({"removed": gone})
    else:
        typer.echo(f"removed {len(gone)} runs")


def _as_data(run: RunInfo) -> dict[str, object]:
    told = {"id": run.id, "kind": run.kind, "title": run.title, "status": run.status}
    return {**told, "created": run.created, "updated": run.updated}


def _outcome(end: Any) -> dict[str, object]:
    data = end._asdict()
    return {"state": type(end).__name__.lower(), **{name: value for name, value in data.items() if name != "handled"}}


def _parsed(value: str | None) -> object:
    try:
        return None if value is None else json.loads(value)
    except ValueError as error:
        raise UsageError(f"--value takes JSON, such as '\"done\"': {error}") from error
