"""`agentrt trace`: what a run did, as a page, a picture, spans, or in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.cli.completing import complete_run
from agentrt.cli.options import print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from agentrt.trace import RunTrace


def trace(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's id, or the beginning of it; or a file of events; or - for stdin.",
            metavar="RUN",
            autocompletion=complete_run,
        ),
    ],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that needs no network.")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print steps, critical path and totals as JSON.")] = False,
    otel: Annotated[bool, typer.Option("--otel", help="Print OpenTelemetry spans (OTLP/JSON).")] = False,
    otel_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Send the spans to a collector, as http://127.0.0.1:4318.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", envvar="AGENTRT_JOURNAL", help="The journal.", show_default="runs.db in AGENTRT_HOME"
        ),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Put texts, arguments and results into the spans as well.")
    ] = False,
) -> None:
    """Show what a run did: the graph, what ran when, the critical path, retries, tokens, evidence.

    Without an option it is shown in the terminal. Runs are found in the journal, also those that still go on or were
    interrupted; a file of events comes from `agentrt ask … --events FILE`.

    Example: `agentrt trace run.jsonl --html run.html`
    """
    from agentrt.trace import otlp_json, run_mermaid, run_page, run_spans, show_run

    told = run_of(run, journal)
    if html is not None:
        _write(html, run_page(told))
        typer.echo(f"wrote {html}", err=True)
    if otel_to is not None:
        _send(otel_to, otlp_json(run_spans(told, content=content)))
    if otel:
        print_json(otlp_json(run_spans(told, content=content)))
    elif mermaid:
        typer.echo(run_mermaid(told), nl=False)
    elif as_json:
        print_json(as_data(told))
    elif html is None and otel_to is None:
        from rich.console import Console

        show_run(told, Console())


def run_of(name: str, journal: Path | None = None) -> RunTrace:
    """The run that `name` means: a file of events, `-` for standard input, or a run in the journal.

    Raises:
        UsageError: there is neither such a file nor a journal.
        TraceError: there is no such run, or what was found is none.
    """
    import sys

    from agentrt.trace import read_records, run_trace
    from agentrt.trace.records import records_in

    if name == "-":
        return run_trace(records_in(sys.stdin, "standard input"))
    path = Path(name).expanduser()
    if path.exists():
        return run_trace(read_records(path))
    from agentrt.serving.home import home
    from agentrt.trace import journalled_trace
    from executor.journal import SqliteJournal

    file = journal or home() / "runs.db"
    if not file.exists():
        raise UsageError(f"there is no file {name}, and no journal {file} in which it could be a run")
    with SqliteJournal(file, read_only=True) as book:
        return journalled_trace(book, name)


def as_data(told: RunTrace) -> dict[str, Any]:
    """A run's trace as JSON data, without secrets."""
    from agentrt.trace import critical_path
    from agentrt.trace.secrets import without_secrets

    data = {
        "run_id": told.run_id,
        "question": told.question,
        "answer": told.answer,
        "seconds": told.wall,
        "one_by_one": told.one_by_one,
        "usage": dict(told.usage),
        "replans": told.replans,
        "critical_path": [step._asdict() for step in critical_path(told)],
        "phases": [
            {
                "kind": phase.kind,
                "round": phase.round,
                "started": phase.started,
                "ended": phase.ended,
                "usage": dict(phase.usage),
                "notes": phase.notes,
                "text": phase.text,
            }
            for phase in told.phases
        ],
        "tasks": [
            {
                **task.task.to_json(),
                "round": task.round,
                "state": task.state,
                "added": task.added,
                "started": task.started,
                "ended": task.ended,
                "retries": [retry._asdict() for retry in task.retries],
                "value": task.value,
                "note": task.note,
            }
            for task in told.tasks.values()
        ],
    }
    clean = without_secrets(data)
    assert isinstance(clean, dict)
    return clean  # pyright: ignore[reportUnknownVariableType]  # JSON data


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _send(url: str, data: dict[str, Any]) -> None:
    import json
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no collector's address; they look like http://127.0.0.1:4318")
    target = url.rstrip("/") if url.rstrip("/").endswith("/v1/traces") else f"{url.rstrip('/')}/v1/traces"
    body = json.dumps(data).encode()
    request = urllib.request.Request(target, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            typer.echo(f"sent to {target} ({response.status})", err=True)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UsageError(f"{target} did not take the spans: {error}") from error
