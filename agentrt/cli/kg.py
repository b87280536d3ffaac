"""`agentrt kg`: build knowledge graphs, look into them, and ask them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.errors import UsageError

if TYPE_CHECKING:
    from kg_rag import EdgeFilter, LocalGraph
    from kg_rag.store.sources.port import GraphSource

app = typer.Typer(help="Build knowledge graphs, look into them, and ask them.", no_args_is_help=True)

OPEN_GRAPH = "hetionet-open"

Graph = Annotated[str, typer.Option("--graph", "-g", help="A graph's folder, or the name of one that was built.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Dot = Annotated[bool, typer.Option("--dot", help="Print Graphviz DOT.")]
Svg = Annotated[Path | None, typer.Option("--svg", help="Write a picture to this file.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only edges of this type; may be given again.")]
Licences = Annotated[list[str] | None, typer.Option("--licence", help="Only edges under this licence, such as CC0.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most this many.")]
Budget = Annotated[int, typer.Option(min=16, help="Most tokens of the evidence.")]


@app.command(epilog="Example: agentrt kg build my-graph --edges edges.tsv --nodes nodes.tsv")
def build(
    name: Annotated[str, typer.Argument(help="Name or folder of the graph.", metavar="NAME")],
    edges: Annotated[Path, typer.Option(help="Edges: .parquet, .csv, .tsv, .jsonl (KGX too), or an .obo file.")],
    nodes: Annotated[Path | None, typer.Option(help="Nodes; without them the edges define them.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON: how edge types and kinds are spoken of.")] = None,
    version: Annotated[str, typer.Option(help="What the sources call this release.")] = "",
    skip_unknown: Annotated[bool, typer.Option(help="Leave out edges to nodes that no row defines.")] = False,
    merge_duplicates: Annotated[bool, typer.Option(help="Join nodes with the same id.")] = False,
) -> None:
    """Build a graph, or build it again. The old one stays in use until the new one is whole."""
    from kg_rag import Tables, build_graph
    from kg_rag.store.local import schema_from_json
    from kg_rag.store.sources.obo import Obo

    told = schema_from_json(json.loads(schema.read_text("utf-8"))) if schema else None
    source: GraphSource = Obo(edges) if edges.suffix == ".obo" else Tables(edges, nodes, schema=told)
    unknown = "skip" if skip_unknown else "create" if nodes is None else "refuse"
    info = build_graph(
        source,
        _home(name),
        version=version,
        schema=told,
        unknown=unknown,
        duplicates="merge" if merge_duplicates else "refuse",
        progress=_progress,
    )
    typer.echo(f"\r{info.name}: {info.nodes:,} nodes, {info.edges:,} edges, snapshot {info.snapshot}", err=True)


@app.command(epilog="Example: agentrt kg info --graph hetionet-open")
def info(graph: Graph = OPEN_GRAPH, as_json: AsJson = False, verify: bool = False) -> None:
    """Show what a graph holds; `--verify` reads every file and compares checksums."""
    from dataclasses import asdict

    with _open(graph) as found:
        if verify:
            found.verify()
        if as_json:
            _print_json(asdict(found.info))
            return
        held = found.info
        typer.echo(f"{held.name} {held.version}: {held.nodes:,} nodes, {held.edges:,} edges, snapshot {held.snapshot}")
        for title, counts in (("kind", held.kinds), ("edge type", held.edge_types), ("licence", held.licences)):
            _table([title, "count"], [[name or "(none)", f"{count:,}"] for name, count in sorted(counts.items())])


@app.command(epilog="Example: agentrt kg diff old-graph new-graph --saved ids.txt")
def diff(
    old: str,
    new: str,
    saved: Annotated[Path | None, typer.Option(help="Node ids, one a line, that saved links and queries use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report drift: nodes renamed, merged or gone between two graphs, and which saved ids that touches."""
    from dataclasses import asdict

    from kg_rag import compare

    ids = saved.read_text("utf-8").split() if saved else []
    with _open(old) as before, _open(new) as after:
        drift = compare(before, after, ids)
    if as_json:
        _print_json(asdict(drift))
        return
    typer.echo(
        f"{len(drift.renamed)} renamed, {len(drift.merged)} merged, {len(drift.vanished)} gone, {drift.added} new"
    )
    _table(["renamed", "from", "to"], [[node, *names] for node, names in list(drift.renamed.items())[:50]])
    _table(["merged", "into"], [[node, into] for node, into in list(drift.merged.items())[:50]])
    _table(["gone"], [[node] for node in drift.vanished[:50]])
    _table(["saved id touched"], [[node] for node in drift.touched])


@app.command(epilog='Example: agentrt kg link "cancer of the lung" --graph hetionet-open')
def link(mention: str, graph: Graph = OPEN_GRAPH, limit: Limit = 5, as_json: AsJson = False) -> None:
    """Say which nodes a mention may mean, and how sure that is."""
    from kg_rag import Linker

    with _open(graph) as found:
        result = Linker(found).link(mention, limit=limit)
        nodes = found.nodes([one.node for one in result.candidates])
    rows = [
        {"id": node.id, "name": node.name, "kind": node.kind, "confidence": round(one.confidence, 3), "how": one.how}
        for one, node in zip(result.candidates, nodes, strict=True)
    ]
    if as_json:
        _print_json({"mention": mention, "linked": result.best is not None, "candidates": rows})
        return
    if result.best is None:
        typer.echo(f"no node is likely enough (threshold {result.threshold}); the nearest are:")
    _table(["id", "name", "kind", "confidence", "how"], [list(row.values()) for row in rows])


@app.command(epilog="Example: agentrt kg neighbours Leucovorin --type CrC")
def neighbours(
    name: str,
    graph: Graph = OPEN_GRAPH,
    types: Types = None,
    licences: Licences = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show the edges around a node, by name or id."""
    with _open(graph) as found:
        around = found.neighbourhood([_node(found, name)], _where(types, licences))
        _show(found, around.edges[:limit].tolist(), as_json=as_json, dot=dot, svg=svg)
        if len(around.edges) > limit and not (as_json or dot):
            typer.echo(f"{len(around.edges) - limit:,} more; raise --limit or choose a --type")


@app.command(epilog="Example: agentrt kg path Leucovorin gout")
def path(
    source: str,
    target: str,
    graph: Graph = OPEN_GRAPH,
    hops: Annotated[int, typer.Option(min=1, max=6, help="Longest path.")] = 4,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show a shortest path between two nodes."""
    from kg_rag.retrieval.subgraph import shortest_walk

    with _open(graph) as found:
        walk = shortest_walk(found, _node(found, source), _node(found, target), hops=hops)
        if walk is None:
            raise UsageError(f"no path of {hops} edges or fewer joins {source!r} and {target!r}; raise --hops")
        _show(found, walk.edges, as_json=as_json, dot=dot, svg=svg)


@app.command(epilog='Example: agentrt kg subgraph "leucovorin and gout" --svg picture.svg')
def subgraph(
    question: str,
    graph: Graph = OPEN_GRAPH,
    budget: Budget = 512,
    licences: Licences = None,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show a connected subgraph around what a question mentions, inside a token budget."""
    from kg_rag import KnowledgeGraphRAG, PrizeSubgraph

    with _open(graph) as found:
        pipeline = KnowledgeGraphRAG(found, retriever=PrizeSubgraph(budget), where=_where(None, licences))
        _show(found, pipeline.find(question).retrieved.edges.tolist(), as_json=as_json, dot=dot, svg=svg)


@app.command(epilog='Example: agentrt kg ask --graph hetionet-open "Which class includes methotrexate?"')
def ask(
    question: str,
    graph: Graph = OPEN_GRAPH,
    model: Annotated[str, typer.Option(help="The model that answers; `none` shows the evidence only.")] = "none",
    budget: Budget = 512,
    licences: Licences = None,
    conflict: Annotated[str, typer.Option(help="context, rcr or scr.")] = "context",
    as_json: AsJson = False,
) -> None:
    """Answer a question from a graph, with its evidence; without a model the evidence is the answer."""
    import anyio

    from kg_rag import ContextBuilder, KnowledgeGraphRAG

    if conflict not in ("context", "rcr", "scr"):
        raise UsageError(f"--conflict is context, rcr or scr, not {conflict!r}")
    with _open(graph) as found:
        pipeline = KnowledgeGraphRAG(found, builder=ContextBuilder(budget), where=_where(None, licences))
        if model == "none":
            context = pipeline.find(question).context
            result: dict[str, Any] = {"question": question, "evidence": [one.line for one in context.evidence]}
        else:
            result = anyio.run(_answer, pipeline, question, model, conflict)
    if as_json:
        _print_json(result)
        return
    if "answer" in result:
        typer.echo(_plain(result["answer"]) + "\n")
    for line in result["evidence"] or ["The graph has nothing on this."]:
        typer.echo(_plain(line))
    for flag in result.get("flagged", ()):
        typer.echo(f"! {flag['verdict']}: {_plain(flag['sentence'])}", err=True)


async def _answer(pipeline: Any, question: str, model: str, conflict: Any) -> dict[str, Any]:
    from agentrt.serving import open_model

    async with open_model(model, temperature=0) as chat:
        answer = await pipeline.ask(question, chat, conflict=conflict)
    return {
        "question": question,
        "answer": answer.text,
        "evidence": [one.line for one in answer.found.context.evidence],
        "flagged": [{"sentence": one.text, "verdict": one.verdict} for one in answer.flagged],
        "claims": [{"type": one.type, "verdict": one.verdict, "sentence": one.sentence} for one in answer.claims],
    }


def _home(name: str) -> Path:
    """Where a graph lies: a path as it is written, a bare name under the cache folder."""
    from agentrt.serving.home import home

    if Path(name).name != name or Path(name).is_dir():
        return Path(name)
    return home() / "graphs" / name


def _open(name: str) -> LocalGraph:
    from kg_rag import open_graph

    path = _home(name)
    if name == OPEN_GRAPH and not (path / "CURRENT").exists():
        _build_open_graph(path)
    return open_graph(path)


def _build_open_graph(path: Path) -> None:
    from kg_rag import Tables, build_graph
    from kg_rag.store.local import schema_from_json

    folder = Path(__file__).resolve().parents[2] / "examples" / "data" / "kg"
    if not folder.is_dir():
        raise UsageError(f"{OPEN_GRAPH} ships with the examples, which are not here; name another --graph")
    typer.echo(f"building {OPEN_GRAPH} once, into {path}", err=True)
    schema = schema_from_json(json.loads((folder / "hetionet.schema.json").read_text("utf-8")))
    tables = Tables(folder / f"{OPEN_GRAPH}-edges.parquet", folder / f"{OPEN_GRAPH}-nodes.parquet", schema=schema)
    build_graph(tables, path, version="1.0", progress=_progress)


def _node(graph: LocalGraph, name: str) -> int:
    from kg_rag import Linker

    index = graph.find(name)
    if index is not None:
        return index
    result = Linker(graph).link(name)
    if result.best is None:
        near = ", ".join(node.name for node in graph.nodes([one.node for one in result.candidates[:3]]))
        raise UsageError(f"no node is called {name!r}; the nearest are {near or 'none'}")
    return result.best.node


def _where(types: Sequence[str] | None, licences: Sequence[str] | None) -> EdgeFilter:
    from kg_rag import EdgeFilter

    return EdgeFilter(types=frozenset(types) if types else None, licences=frozenset(licences) if licences else None)


def _show(graph: LocalGraph, edges: Sequence[int], *, as_json: bool, dot: bool, svg: Path | None) -> None:
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
        _print_json([dict(zip(heads, row, strict=True)) for row in rows])
    else:
        _table(heads, rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(_plain(str(cell))) for cell in row] for row in rows]
    if not cells:
        return
    table = Table(box=None, header_style="bold")
    for head in heads:
        table.add_column(head)
    for row in cells:
        table.add_row(*row)
    Console().print(table)


def _plain(text: str) -> str:
    """Text from a graph or model as a terminal may show it: without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _progress(what: str, done: int) -> None:
    typer.echo(f"\r{what}: {done:,}      ", nl=False, err=True)
