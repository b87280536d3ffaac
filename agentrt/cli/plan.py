"""`agentrt plan`: shows a plan without running it, or checks one that was written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.options import AsJson, Model, Tools, load, print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from executor import Plan, Tool
    from planner import PlanReading


def plan(
    question: Annotated[str | None, typer.Argument(help="What to plan for.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="PLANFILE", help="Read a text plan instead of asking a model.")
    ] = None,
    passes: Annotated[
        bool, typer.Option("--passes", help="Show the plan before and after the passes, and what they did.")
    ] = False,
    model: Model = None,
    tools: Tools = None,
    as_json: AsJson = False,
) -> None:
    """Show the plan for a question, or check a plan file. Nothing is run.

    `--check` prints the plan as JSON, or every error with its line and column (exit code 1).
    With `--passes` either is shown before and after it is rewritten.

    Example: `agentrt plan "Which is older, Heat or Alien?" --tools films.jsonl`

    Example: `agentrt plan --check plan.txt --tools tools.py --passes`
    """
    if (question is None) == (check is None):
        raise UsageError("give either a question or --check PLANFILE, as in `agentrt plan --check plan.txt`")
    chosen = load(tools)
    if check is not None:
        reading = _read(check, chosen)
        if passes:
            _show_passes(reading.plan, chosen, reading.reads or None, as_json)
        else:
            print_json(reading.plan.to_json())
        return
    import anyio

    assert question is not None
    written = anyio.run(_plan, question, model, chosen)
    if passes:
        _show_passes(written, chosen, None, as_json)
    elif as_json:
        print_json(written.to_json())
    else:
        from planner import as_lines

        typer.echo(as_lines(written))


def _show_passes(plan: Plan, tools: list[Tool], reads: tuple[str, ...] | None, as_json: bool) -> None:
    from executor import Toolset
    from planner import as_lines
    from planner.passes import Pipeline

    toolset = Toolset(tools)
    notes: list[tuple[str, str]] = []
    done = Pipeline(toolset).apply(plan, reads=reads, on_note=lambda by, note: notes.append((by, note)))
    if as_json:
        told = [{"pass": by, "note": note} for by, note in notes]
        moved = {name: str(ref) for name, ref in done.moved.items()}
        print_json({"before": plan.to_json(), "after": done.plan.to_json(), "passes": told, "moved": moved})
        return
    typer.echo(f"before:\n{as_lines(plan, toolset)}\n\nafter:\n{as_lines(done.plan, toolset)}\n")
    for by, note in notes or [("passes", "nothing to do")]:
        typer.echo(f"{by}: {note}")


def _read(path: Path, tools: list[Tool]) -> PlanReading:
    from planner import read_plan

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}") from error
    reading = read_plan(text, tools)
    for warning in reading.warnings:
        typer.echo(f"{path}: {warning}", err=True)
    for problem in reading.problems:
        typer.echo(f"{path}: {problem}", err=True)
    if reading.problems:
        raise typer.Exit(1)
    return reading


async def _plan(question: str, model: str | None, tools: list[Tool]) -> Plan:
    from agentrt.runtime import DEFAULT_MODEL, Runtime
    from agentrt.trace import ProgressBar, TerminalView

    with ProgressBar() as bar:
        async with Runtime(model or DEFAULT_MODEL, tools, progress=bar) as runtime:
            bar.stop()
            with TerminalView() as view:
                return await runtime.plan(question, view.show)
