"""`agentrt repl`: the interactive prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentrt.cli.options import Concurrency, MaxReplans, Model, Tools, load


def repl(
    model: Model = None,
    tools: Tools = None,
    max_replans: MaxReplans = 2,
    concurrency: Concurrency = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="AGENTRT_JOURNAL",
            help="Where runs are written down, so that they can go on.",
            show_default="runs.db in AGENTRT_HOME",
        ),
    ] = None,
    history: Annotated[bool, typer.Option(help="Keep what is typed for later sessions.")] = True,
) -> None:
    """Ask questions one after the other and watch plans run; /help lists the commands.

    Questions see the conversation so far. Ctrl-C stops what runs, and twice leaves. Lines may also come from a pipe:
    answers go to stdout, and the exit status is 1 when one of them failed, 3 when a run waits for a person. Every run
    is written down: one that was broken off, whatever ended it, goes on with /resume.

    Example: `agentrt repl --tools films.jsonl`

    Example: `printf '/load films.jsonl\\nWhich is older, Heat or Alien?\\n/save answer.json\\n' | agentrt repl`
    """
    import anyio

    from agentrt.repl import ReplOptions, run_repl
    from agentrt.runtime import DEFAULT_MODEL
    from agentrt.serving.home import home

    options = ReplOptions(
        model or DEFAULT_MODEL,
        load(tools),
        home() / "repl_history" if history else None,
        {"max_replans": max_replans, "concurrency": concurrency},
        journal or home() / "runs.db",
    )
    if status := anyio.run(run_repl, options):
        raise typer.Exit(status)
