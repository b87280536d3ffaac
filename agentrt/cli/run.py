"""`agentrt run`: runs a YAML workflow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agentrt.cli.completing import complete_run
from agentrt.cli.options import AsJson, Concurrency, Model, Tools, print_json
from agentrt.cli.watched import Watch, Watched, Yes, options_given
from agentrt.cli.workflow import Graph, tools_of
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from agentrt.runtime import Event
    from agentrt.workflows import Workflow, WorkflowEnded, WorkflowResult
    from executor import Tool


def run(
    file: Annotated[Path | None, typer.Argument(help="The workflow.", metavar="FILE")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="One input; lists and mappings as JSON. Repeatable."),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Inputs in a JSON or YAML file; --input comes before it.")
    ] = None,
    tools: Tools = None,
    graph: Graph = None,
    model: Model = None,
    concurrency: Concurrency = None,
    yes: Yes = False,
    watch: Watch = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan that would run, as JSON.")] = False,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the run down there, for `agentrt runs`.", envvar="AGENTRT_JOURNAL"),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with this run; needs no FILE, as the journal has its text.",
            autocompletion=complete_run,
        ),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every event to this file, for `agentrt trace FILE`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a workflow. Its steps are shown on stderr while they happen; its output goes to stdout.

    A model is opened only if a step asks one. A call that needs a person's yes is asked about in line while the rest
    goes on. With a journal the run survives its process, and waits there for an answer where nobody sits at a terminal.
    Exit code 1 where a step failed and nothing handles that, 3 where the run waits, 130 where Ctrl-C stopped it.

    Example: `agentrt run compare.yaml --tools films.jsonl --input a=Heat --input b=Alien`

    Example: `agentrt run --resume 3fa9 --tools films.jsonl`

    Example: `agentrt run report.yaml --tools tools.py --watch --yes`
    """
    import anyio

    from agentrt.workflows import Workflow

    chosen = tools_of(tools, graph)
    options = options_given(tools=tools, graph=graph, model=model)
    if resume is not None:
        watched = Watched(resume, journal=journal, options=options, yes=yes, watch=watch, written=events)
        with watched.stopping():
            result = anyio.run(resume_run, resume, chosen, model, journal, watched)
        ended(result, as_json=as_json)
        return
    if file is None:
        raise UsageError("name a workflow, as in `agentrt run news.yaml`, or a run to go on with: --resume RUN")
    workflow = Workflow.load(file, tools=chosen)
    values = read_inputs(workflow, inputs, given or ())
    if dry_run:
        print_json(workflow.plan(values).to_json())
        return
    title = f"workflow {workflow.name}"
    watched = Watched(title, journal=journal, options=options, yes=yes, watch=watch, written=events)
    with watched.stopping():
        result = anyio.run(_run, workflow, values, chosen, model, concurrency, journal, watched)
    ended(result, as_json=as_json)


def ended(result: WorkflowResult, *, as_json: bool) -> None:
    """Prints what a workflow came to, and leaves with the exit code that says how it ended."""
    show(result, as_json=as_json)
    if not result.ok:
        raise typer.Exit(1)


def show(result: WorkflowResult, *, as_json: bool) -> None:
    """Prints what a workflow came to, and on stderr what failed."""
    from executor import plain

    if as_json:
        print_json(result.to_json())
        return
    for name, error in result.failures.items():
        typer.echo(f"step {name} failed: {error}", err=True)
    output = plain(result.output)
    typer.echo(output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2, default=str))


def read_inputs(workflow: Workflow, file: Path | None, given: Iterable[str]) -> dict[str, object]:
    """The inputs that a file and `NAME=VALUE` pairs give.

    Raises:
        UsageError: one cannot be read.
        InvalidInputs: they do not fit the workflow.
    """
    from agentrt.workflows.inputs import from_text

    values = _from_file(file) if file is not None else {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--input {pair}: write it NAME=VALUE, as in --input title=Heat")
        declared = workflow.inputs.get(name)
        try:
            values[name] = text if declared is None else from_text(declared, text)
        except ValueError as error:
            raise UsageError(str(error)) from error
    workflow.complete(values)
    return values


def _from_file(file: Path) -> dict[str, object]:
    from agentrt.workflows import InvalidWorkflow
    from agentrt.workflows.source import read_source
    from agentrt.workflows.tree import read_tree

    try:
        if file.suffix == ".json":
            found: Any = json.loads(file.read_text(encoding="utf-8"))
        else:
            found = read_tree(read_source(file)).value
    except InvalidWorkflow as error:
        raise UsageError("\n".join(problem.pretty() for problem in error.problems)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{file}: inputs are a mapping of names to values, not {type(found).__name__}")
    return cast("dict[str, object]", found)


async def _run(
    workflow: Workflow,
    values: dict[str, object],
    tools: list[Tool],
    model: str | None,
    concurrency: int | None,
    journal: Path | None,
    watched: Watched,
) -> WorkflowResult:
    from agentrt.runtime import DEFAULT_MODEL, Runtime
    from agentrt.trace import ProgressBar
    from agentrt.workflows.running import needs_model

    bar = ProgressBar()
    spec = (model or DEFAULT_MODEL) if needs_model(workflow) else None
    with bar:
        async with Runtime(
            spec,
            tools,
            concurrency=concurrency,
            journal=journal,
            approvals=watched.approvals,
            begun=watched.begun,
            progress=bar,
        ) as runtime:
            bar.stop()
            return _result(await watched.last(runtime.stream_run(workflow, **values)))


async def resume_run(
    run_id: str, tools: list[Tool], model: str | None, journal: Path | None, watched: Watched
) -> WorkflowResult:
    """Goes on with a workflow's run, shown live.

    Raises:
        UsageError: it is no workflow's run.
        JournalError: there is no such run, or it cannot go on.
    """
    from agentrt.cli.runs import journal_file
    from agentrt.cli.runs import opened as opened_journal
    from agentrt.runtime import DEFAULT_MODEL, Runtime
    from agentrt.trace import ProgressBar
    from agentrt.workflows import Workflow
    from agentrt.workflows.running import needs_model
    from executor.journal import find_run

    with opened_journal(journal) as book:
        info = find_run(book, run_id)
    if "workflow" not in info.head:
        raise UsageError(f"run {info.id} is no workflow's; go on with it by `agentrt runs resume {info.id}`")
    asks = needs_model(Workflow.from_head(cast("dict[str, Any]", info.head["workflow"])))
    bar = ProgressBar()
    spec = (model or DEFAULT_MODEL) if asks and info.status != "finished" else None
    with bar:
        async with Runtime(
            spec,
            tools,
            journal=journal_file(journal),
            approvals=watched.approvals,
            begun=watched.begun,
            progress=bar,
        ) as runtime:
            bar.stop()
            return _result(await watched.last(runtime.stream_resume(info.id)))


def _result(event: Event) -> WorkflowResult:
    return cast("WorkflowEnded", event).result
