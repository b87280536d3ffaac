"""What the `agentrt kg` commands share: options, finding a graph by name, and printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.errors import UsageError

if TYPE_CHECKING:
    from kg_rag import EdgeFilter, LocalGraph, Schema

Graph = Annotated[str, typer.Option("--graph", "-g", help="A graph's folder, or the name of one that was built.")]
Name = Annotated[str, typer.Argument(help="A node's name or id.", metavar="NODE")]
Question = Annotated[str, typer.Argument(help="In words.", metavar="QUESTION")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Dot = Annotated[bool, typer.Option("--dot", help="Print Graphviz DOT.")]
Svg = Annotated[Path | None, typer.Option("--svg", help="Write a picture to this file.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only edges of this type; may be given again.")]
Licences = Annotated[list[str] | None, typer.Option("--licence", help="Only edges under this licence, such as CC0.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only edges that this source states.")]
Strength = Annotated[
    int,
    typer.Option("--evidence", min=0, max=3, help="Least strength of evidence: 3 experiment, 2 curated, 1 inferred."),
]
Limit = Annotated[int, typer.Option(min=1, help="Show at most this many.")]
Budget = Annotated[int, typer.Option(min=16, help="Most tokens of the evidence.")]


def opened(name: str) -> LocalGraph:
    """An open graph, by name or folder."""
    from agentrt.tools.knowledge_graph import open_named

    try:
        return open_named(name, progress=progress)
    finally:
        progress_done()


def schema_from(path: Path) -> Schema:
    """A schema out of a JSON file.

    Raises:
        UsageError: there is no such file, or it is no schema.
    """
    from kg_rag.store.local import schema_from_json

    try:
        return schema_from_json(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no schema ({error}); one looks like "
            '{"relations": {"treats": {"label": "treats", "inverse": "is treated by"}}}'
        ) from error


def node_of(graph: LocalGraph, name: str) -> int:
    """The node that a name or id on the command line means.

    Raises:
        UsageError: none is likely enough; the message has the nearest.
    """
    from kg_rag import Linker

    index = graph.find(name)
    if index is not None:
        return index
    result = Linker(graph).link(name)
    if result.best is None:
        near = ", ".join(plain(node.name) for node in graph.nodes([one.node for one in result.candidates[:3]]))
        raise UsageError(f"no node is called {name!r}; the nearest are {near or 'none'}")
    return result.best.node


def edge_filter(
    types: Sequence[str] | None = None,
    licences: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    strength: int = 0,
) -> EdgeFilter:
    """The filter that the options describe."""
    from kg_rag import EdgeFilter

    return EdgeFilter(
        types=frozenset(types) if types else None,
        licences=frozenset(licences) if licences else None,
        sources=frozenset(sources) if sources else None,
        min_strength=strength,
    )


def show(graph: LocalGraph, edges: Sequence[int], *, as_json: bool, dot: bool, svg: Path | None) -> None:
    """Edges as a table, JSON or DOT, and as a picture in a file."""
    from kg_rag.context.sentences import sentences
    from kg_rag.drawing import as_dot, as_svg

    if svg is not None:
        svg.write_text(as_svg(graph, edges), "utf-8")
        typer.echo(f"wrote {svg}", err=True)
    if dot:
        typer.echo(as_dot(graph, edges))
        return
    made = sentences(graph, edges)
    rows = [[*one.triple, ", ".join(one.edge.sources), one.edge.evidence, one.edge.licence] for one in made]
    heads = ["source", "type", "target", "sources", "evidence", "licence"]
    if as_json:
        print_json([dict(zip(heads, row, strict=True)) for row in rows])
    else:
        table(heads, rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under heads; nothing where there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(plain(str(cell))) for cell in row] for row in rows]
    if not cells:
        return
    made = Table(box=None, header_style="bold")
    for head in heads:
        made.add_column(head)
    for row in cells:
        made.add_row(*row)
    Console().print(made)


def plain(text: str) -> str:
    """Text from a graph or model as a terminal may show it: without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def progress(what: str, done: int) -> None:
    """One line on a terminal that says how far a build is; nothing where stderr goes to a file."""
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{what}: {done:,}", nl=False, err=True)


def progress_done() -> None:
    """Clears the line of `progress`."""
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", nl=False, err=True)
