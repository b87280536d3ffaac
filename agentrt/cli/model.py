"""`agentrt model`: the models this machine knows and has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.cli import server
from agentrt.cli.completing import complete_model
from agentrt.cli.draft import draft

if TYPE_CHECKING:
    from agentrt.serving.catalogue import CatalogueEntry
    from agentrt.serving.progress import Progress as ServingProgress
    from agentrt.serving.progress import ProgressSink

app = typer.Typer(help="List, fetch, serve, tune and make language models.", no_args_is_help=True)
server.register(app)
app.command("draft", epilog="Example: agentrt model draft smollm2-135m --from-layers 0-11,20-29 --steps 100")(draft)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
_Name = Annotated[
    str, typer.Argument(help="A name from `agentrt model list`.", metavar="NAME", autocompletion=complete_model)
]


@app.command("list", epilog="Example: agentrt model list --json")
def list_models(json: _Json = False) -> None:
    """Show the models that have a name, and which of them are on this machine."""
    from agentrt.serving.catalogue import CATALOGUE

    rows = [_row(entry) for entry in CATALOGUE.values()]
    if json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("name", "weights", "download", "context", "licence", "here", "good for"):
        table.add_column(heading, no_wrap=heading == "name")
    for row in rows:
        here = ", ".join((["GGUF"] if row["pulled"] else []) + row["checkpoints"]) or "-"
        weights, download = f"{row['parameters'] / 1e9:.2f}B", f"{row['bytes'] / 1e9:.2f} GB"
        context, licence = str(row["context"]), row["licence"]
        table.add_row(row["name"], weights, download, context, licence, here, row["note"])
    Console().print(table)


@app.command(epilog="Example: agentrt model pull qwen2.5-coder-1.5b")
def pull(
    name: _Name,
    json: _Json = False,
    convert: Annotated[bool, typer.Option(help="Also write the checkpoint that is served on this machine.")] = True,
) -> None:
    """Fetch a model, going on where an earlier attempt stopped, and make it ready to serve."""
    import anyio

    from agentrt.serving import convert as conversion
    from agentrt.serving.catalogue import lookup
    from agentrt.serving.defaults import serving_defaults
    from agentrt.serving.probe import default_device
    from agentrt.serving.pull import pull_entry

    entry = lookup(name)
    with bar() as progress:
        if convert:
            scheme = serving_defaults(entry, default_device()).scheme
            anyio.run(partial(conversion.convert, entry, scheme, progress=progress))
        else:
            anyio.run(partial(pull_entry, entry, progress=progress))
    _tell_where(entry, json)


@app.command(epilog="Example: agentrt model path smollm2-135m")
def path(name: _Name, json: _Json = False) -> None:
    """Print the folder in which a model's files are, or would be."""
    from agentrt.serving.catalogue import lookup

    _tell_where(lookup(name), json)


@app.command(epilog="Example: agentrt model quantise qwen2.5-coder-0.5b --scheme int8")
def quantise(
    name: _Name,
    scheme: Annotated[str, typer.Option(help="int8 (W8A8, compressed-tensors), int4 (weights only) or bf16.")] = "int8",
    json: _Json = False,
) -> None:
    """Write a model's checkpoint with its weights stored another way; what this machine serves best comes by itself."""
    import anyio

    from agentrt.serving import convert as conversion
    from agentrt.serving.catalogue import Scheme, lookup
    from agentrt.serving.errors import SettingsRefused

    schemes: dict[str, Scheme] = {"int8": "int8", "int4": "int4", "bf16": "bf16"}
    if scheme not in schemes:
        raise SettingsRefused(f"There is no scheme {scheme!r}. There are: {', '.join(schemes)}.")
    entry = lookup(name)
    with bar() as progress:
        anyio.run(partial(conversion.convert, entry, schemes[scheme], progress=progress))
    _tell_where(entry, json)


@app.command(epilog="Example: agentrt model tune qwen2.5-coder-1.5b --methods lookup --methods ngram:6")
def tune(
    name: _Name,
    methods: Annotated[
        list[str] | None, typer.Option(help="Ways to draft. Repeatable.", show_default="lookup, ngram:4")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="More make the figures steadier.")] = 3,
    json: _Json = False,
) -> None:
    """Measure what each way to draft is worth on this machine, and keep the table for `--speculation auto`.

    Two servers run side by side while it lasts; expect ten minutes a method for the 1.5B on two cores.
    """
    from dataclasses import asdict

    import anyio

    from agentrt.serving.tuning import Trial, best_measured, write_table
    from agentrt.serving.tuning.tune import tune as measure

    def tell(trial: Trial) -> None:
        words = f"{trial.alone:.2f} x as fast alone, {trial.together:.2f} x the time of eight at once"
        typer.echo(f"{trial.method:>12} {trial.workload:<7} {words}", err=True)

    with bar() as progress:
        chosen = methods or ["lookup", "ngram:4"]
        table = anyio.run(partial(measure, name, chosen, rounds=rounds, progress=progress, tell=tell))
    path = write_table(table)
    if json:
        _print_json(asdict(table))
    else:
        typer.echo(f"auto is now: {best_measured(table.model)}\nkept in {path}")


def _tell_where(entry: CatalogueEntry, json: bool) -> None:
    row = _row(entry)
    if json:
        _print_json(row)
    else:
        typer.echo(row["folder"])


def _row(entry: CatalogueEntry) -> dict[str, Any]:
    from agentrt.serving.convert import is_current
    from agentrt.serving.home import model_home
    from agentrt.serving.pull import gguf_path

    return {
        "name": entry.name,
        "hub_id": entry.hub_id,
        "licence": entry.licence,
        "parameters": entry.parameters,
        "bytes": entry.gguf.size,
        "context": entry.served_context,
        "languages": entry.languages,
        "note": entry.note,
        "pulled": gguf_path(entry).exists(),
        "checkpoints": [scheme for scheme in ("int8", "int4", "bf16") if is_current(entry, scheme)],
        "folder": str(model_home(entry.name)),
    }


def _print_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2))


@contextmanager
def bar() -> Generator[ProgressSink]:
    """A progress bar on standard error for whatever reports `Progress`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def show(progress: ServingProgress) -> None:
            bar.update(task, description=progress.text, completed=progress.done, total=progress.total)

        yield show
