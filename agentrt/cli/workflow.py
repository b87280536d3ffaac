"""`agentrt workflow`: checks workflows, draws them, and tells editors how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agentrt.cli.options import AsJson, Tools, load, print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from agentrt.workflows import Problem
    from executor import Tool

app = typer.Typer(help="Check, draw and describe YAML workflows.", no_args_is_help=True, rich_markup_mode="markdown")

File = Annotated[Path, typer.Argument(help="The workflow.", metavar="FILE")]
Graph = Annotated[
    list[str] | None,
    typer.Option(
        "--graph",
        "-g",
        metavar="[NAME=]GRAPH",
        help="A knowledge graph for `retrieve` steps: a folder, or one that `agentrt kg build` built. Repeatable.",
    ),
]


@app.command()
def check(file: File, tools: Tools = None, graph: Graph = None, as_json: AsJson = False) -> None:
    """Tell everything that is wrong with a workflow, with line, column and the likely fix. Nothing is run.

    Without `--tools` and `--graph` everything but the calls of tools is checked. Exit code 1 where something is wrong.

    Example: `agentrt workflow check news.yaml --tools tools.py`
    """
    from agentrt.workflows import InvalidWorkflow, Workflow

    known = tools_of(tools, graph) if tools or graph else None
    problems: tuple[Problem, ...] = ()
    try:
        workflow = Workflow.load(file, tools=known)
    except InvalidWorkflow as error:
        problems = error.problems
    else:
        if not as_json:
            unchecked = "" if known is not None else "; calls were not checked: name --tools"
            typer.echo(f"{file}: {len(workflow.steps)} steps, all right{unchecked}")
    if as_json:
        print_json({"ok": not problems, "problems": [problem.to_json() for problem in problems]})
    elif problems:
        many = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        typer.echo("\n".join([*(problem.pretty() for problem in problems), many]), err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")] = None,
) -> None:
    """Print the JSON Schema of workflow files, for editors that complete and check YAML as one types.

    Example: `agentrt workflow schema --out workflow.schema.json`
    """
    from agentrt.workflows import json_schema

    if out is None:
        print_json(json_schema())
    else:
        import json

        _write(out, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def draw(
    file: File,
    form: Annotated[Literal["mermaid", "svg"], typer.Option("--form", "-f", help="What to draw it as.")] = "mermaid",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there; a name that ends in .svg draws an SVG.")
    ] = None,
) -> None:
    """Draw a workflow as a Mermaid flowchart, or as SVG.

    Example: `agentrt workflow draw news.yaml --out news.svg`
    """
    from agentrt.workflows import Workflow
    from agentrt.workflows.draw import mermaid, svg

    workflow = Workflow.load(file)
    drawn = svg(workflow) if form == "svg" or (out is not None and out.suffix == ".svg") else mermaid(workflow)
    if out is None:
        typer.echo(drawn, nl=False)
    else:
        _write(out, drawn)


def tools_of(tools: list[str] | None, graphs: list[str] | None) -> list[Tool]:
    """The tools that `--tools` and `--graph` name.

    Raises:
        ToolsError: a tool cannot be loaded.
        KnowledgeGraphError: a graph cannot be opened.
    """
    found = load(tools)
    for spec in graphs or ():
        from agentrt.tools.knowledge_graph import knowledge_graph

        name, equals, graph = spec.partition("=")
        found.append(knowledge_graph(graph, name=name) if equals else knowledge_graph(spec))
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    typer.echo(f"wrote {path}", err=True)
