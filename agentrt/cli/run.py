"""`agentrt run`: runs a YAML workflow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agentrt.cli.options import AsJson, Concurrency, Model, Tools, print_json
from agentrt.cli.workflow import File, Graph, tools_of
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO

    from agentrt.runtime import Runtime
    from agentrt.workflows import Workflow, WorkflowResult
    from executor import Tool


def run(
    file: File,
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan that would run, as JSON.")] = False,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every event to this file, for `agentrt trace FILE`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a workflow. Its steps are shown on stderr while they happen; its output goes to stdout.

    A model is opened only if a step asks one. Exit code 1 where a step failed and nothing handles that.

    Example: `agentrt run compare.yaml --tools films.jsonl --input a=Heat --input b=Alien`
    """
    import anyio

    from agentrt.workflows import Workflow

    chosen = tools_of(tools, graph)
    workflow = Workflow.load(file, tools=chosen)
    values = read_inputs(workflow, inputs, given or ())
    if dry_run:
        print_json(workflow.plan(values).to_json())
        return
    result = anyio.run(_run, workflow, values, chosen, model, concurrency, events)
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
    written: Path | None,
) -> WorkflowResult:
    from agentrt.runtime import DEFAULT_MODEL, Runtime
    from agentrt.trace import ProgressBar
    from agentrt.workflows.running import needs_model

    bar = ProgressBar()
    spec = (model or DEFAULT_MODEL) if needs_model(workflow) else None
    with bar:
        async with Runtime(spec, tools, concurrency=concurrency, progress=bar) as runtime:
            bar.stop()
            return await watch(runtime, workflow, values, written)


async def watch(
    runtime: Runtime, workflow: Workflow, values: dict[str, object], written: Path | None
) -> WorkflowResult:
    """Runs a workflow, shows it live, and writes its events down where that is asked for."""
    from agentrt.trace import EventWriter, TerminalView
    from agentrt.workflows import WorkflowEnded

    with ExitStack() as files:
        writer = None
        if written is not None:
            writer = EventWriter(files.enter_context(_opened(written)), question=f"workflow {workflow.name}")
        async with aclosing(runtime.stream_run(workflow, **values)) as events:
            with TerminalView(status="running") as view:
                async for event in events:
                    if writer is not None:
                        writer.write(event)
                    if isinstance(event, WorkflowEnded):
                        return event.result
                    view.show(event)
    raise AssertionError("a stream ends with WorkflowEnded or raises")


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
