"""The `agentrt` command. Each command lives in its own module and imports what it needs when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agentrt.cli import kg, model, optima, planner, runs, workflow
from agentrt.cli.ask import ask
from agentrt.cli.doctor import doctor
from agentrt.cli.failures import exit_code, explain
from agentrt.cli.plan import plan
from agentrt.cli.repl import repl
from agentrt.cli.run import run
from agentrt.cli.talk import talk
from agentrt.cli.trace import trace

app = typer.Typer(
    name="agentrt",
    help="Plans of tool calls, written by a local language model, run in parallel the moment they can.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when something fails.")] = False,
) -> None:
    """Options that go before the command."""


app.command()(ask)
app.command()(plan)
app.command()(run)
app.add_typer(workflow.app, name="workflow")
app.command()(trace)
app.command()(repl)
app.add_typer(model.app, name="model")
app.add_typer(runs.app, name="runs")
app.add_typer(kg.app, name="kg")
app.command()(talk)
app.add_typer(optima.app, name="optima")
app.add_typer(planner.app, name="planner")
app.command()(doctor)


def main() -> None:
    """The console script: runs a command and turns whatever goes wrong into one paragraph and an exit code."""
    try:
        app()
    except Exception as error:  # the last stop before the user: anything may arrive here
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(explain(error) + "\n")
        sys.exit(exit_code(error))
