"""`agentrt kg build`, `extract`, `suggest`, `info` and `diff`: graphs as a whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.kg_show import (
    AsJson,
    Graph,
    opened,
    print_json,
    progress,
    progress_done,
    schema_from,
    table,
)
from agentrt.errors import UsageError
from agentrt.tools.knowledge_graph import OPEN_GRAPH, graph_home

if TYPE_CHECKING:
    from kg_rag import Schema
    from kg_rag.store.sources.port import GraphSource

Documents = Annotated[list[Path], typer.Argument(help="Text files, or folders of .txt and .md files.", metavar="DOCS")]
Facts = Annotated[Path, typer.Option("--facts", help="Where extracted statements are kept, as JSON lines.")]


def build(
    name: Annotated[str, typer.Argument(help="Name or folder of the graph.", metavar="NAME")],
    edges: Annotated[
        Path | None, typer.Option(help="Edges: .parquet, .csv, .tsv, .jsonl (KGX too), or an .obo file.")
    ] = None,
    nodes: Annotated[Path | None, typer.Option(help="Nodes; without them the edges define them.")] = None,
    neo4j: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="A Neo4j server, as bolt://127.0.0.1:7687; NEO4J_USERNAME, NEO4J_PASSWORD and NEO4J_DATABASE "
            "say as whom and what is read.",
        ),
    ] = None,
    facts: Annotated[Path | None, typer.Option(help="Statements that `agentrt kg extract` made.")] = None,
    base: Annotated[str | None, typer.Option(help="A graph that was built before: add to what it holds.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON: how edge types and kinds are spoken of.")] = None,
    licence: Annotated[str, typer.Option(help="The licence that extracted statements are under.")] = "",
    version: Annotated[str, typer.Option(help="What the sources call this release.")] = "",
    skip_unknown: Annotated[bool, typer.Option(help="Leave out edges to nodes that no row defines.")] = False,
    merge_duplicates: Annotated[bool, typer.Option(help="Join nodes with the same id.")] = False,
    vectors: Annotated[bool, typer.Option(help="Also index names by meaning (embeddings).")] = False,
    as_json: AsJson = False,
) -> None:
    """Build a graph, or build it again. The old one stays in use until the new one is whole.

    Example: `agentrt kg build my-graph --edges edges.tsv --nodes nodes.tsv`
    """
    from contextlib import ExitStack
    from dataclasses import asdict

    from kg_rag import Tables, build_graph
    from kg_rag.extract.triples import Statements, StatementStore
    from kg_rag.store.sources.graphs import Joined, Snapshot
    from kg_rag.store.sources.obo import Obo

    told = schema_from(schema) if schema else None
    sources: list[GraphSource] = []
    with ExitStack() as stack:
        if base is not None:
            sources.append(Snapshot(stack.enter_context(opened(base))))
        if edges is not None:
            sources.append(Obo(edges) if edges.suffix == ".obo" else Tables(edges, nodes, schema=told))
        if neo4j is not None:
            sources.append(stack.enter_context(neo4j_source(neo4j, told)))
        if facts is not None:
            if not facts.is_file():
                raise UsageError(f"{facts} is not there; `agentrt kg extract` makes it")
            sources.append(Statements(StatementStore(facts).statements(), schema=told, licence=licence))
        if not sources:
            raise UsageError("say what to build from: --edges, --neo4j, --facts or --base")
        source = sources[0] if len(sources) == 1 else Joined(*sources)
        info = build_graph(
            source,
            graph_home(name),
            version=version,
            schema=told if len(sources) == 1 else None,
            unknown="skip" if skip_unknown else "create" if edges is not None and nodes is None else "refuse",
            duplicates="merge" if merge_duplicates or len(sources) > 1 else "refuse",
            vectors=vectors,
            progress=progress,
        )
    progress_done()
    typer.echo(f"{info.name}: {info.nodes:,} nodes, {info.edges:,} edges, snapshot {info.snapshot}", err=True)
    if as_json:
        print_json(asdict(info))


def neo4j_source(uri: str, schema: Schema | None) -> AbstractContextManager[GraphSource]:
    """A server as a source; who reads is said by the environment, where a shell's history does not keep it."""
    from kg_rag.store.sources.neo4j import Neo4j

    return Neo4j.connect(
        uri,
        os.environ.get("NEO4J_USERNAME", "neo4j"),
        os.environ.get("NEO4J_PASSWORD"),
        os.environ.get("NEO4J_DATABASE"),
        schema=schema,
    )


def extract(
    documents: Documents,
    facts: Facts,
    schema: Annotated[Path, typer.Option(help="JSON: the relations that may be extracted.")],
    graph: Annotated[
        str | None, typer.Option("--graph", "-g", help="A graph whose nodes names are resolved to.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model that reads.", show_default="qwen2.5-coder-1.5b")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Extract statements from documents with a language model. Documents that did not change are not read again.

    Example: `agentrt kg extract notes/ --schema schema.json --facts facts.jsonl --graph hetionet-open`
    """
    import anyio

    texts = read_documents(documents)
    told = schema_from(schema)
    if not told.relations:
        raise UsageError(f"{schema} names no relations; nothing could be extracted")

    async def run() -> None:
        from contextlib import ExitStack

        from agentrt.runtime import DEFAULT_MODEL
        from agentrt.serving import open_model
        from kg_rag import Linker
        from kg_rag.extract.triples import StatementStore, TripleExtractor, extract_documents

        with ExitStack() as stack:
            linker = Linker(stack.enter_context(opened(graph))) if graph else None
            async with open_model(model or DEFAULT_MODEL, temperature=0, max_tokens=400) as chat:
                extractor = TripleExtractor(chat, told, linker=linker)
                async for name, count in extract_documents(extractor, texts, StatementStore(facts)):
                    typer.echo(f"{name}: {count} statements", err=True)
                    counts[name] = count

    counts: dict[str, int] = {}
    anyio.run(run)
    from kg_rag.extract.triples import StatementStore

    total = len(StatementStore(facts).statements())
    typer.echo(f"{facts}: {total} statements in all", err=True)
    if as_json:
        print_json({"facts": str(facts), "statements": total, "documents": counts})


def suggest(
    documents: Documents,
    facts: Facts,
    count: Annotated[int, typer.Option(min=1, help="How many sentences.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say which sentences to label next: those whose relation the statements so far leave least sure.

    Example: `agentrt kg suggest notes/ --facts facts.jsonl --count 20`
    """
    from kg_rag.answer.citations import split_sentences
    from kg_rag.extract.sampling import choose_passages
    from kg_rag.extract.triples import StatementStore

    known = StatementStore(facts).statements()
    labelled = list(dict.fromkeys((one.text, one.relation) for one in known))
    seen = {text for text, _ in labelled}
    found = [
        (name, number, sentence)
        for name, text in read_documents(documents).items()
        for number, sentence in enumerate(split_sentences(text), 1)
        if sentence not in seen
    ]
    chosen = choose_passages([sentence for _, _, sentence in found], labelled, count) if found else []
    rows = [found[at] for at in chosen]
    if as_json:
        print_json([{"document": name, "sentence": number, "text": text} for name, number, text in rows])
    else:
        table(["document", "sentence", "text"], rows)


def info(
    graph: Graph = OPEN_GRAPH,
    as_json: AsJson = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare checksums.")] = False,
) -> None:
    """Show what a graph holds; `--verify` reads every file and compares checksums.

    Example: `agentrt kg info --graph hetionet-open`
    """
    from dataclasses import asdict

    with opened(graph) as found:
        if verify:
            found.verify()
        if as_json:
            print_json(asdict(found.info))
            return
        held = found.info
        typer.echo(f"{held.name} {held.version}: {held.nodes:,} nodes, {held.edges:,} edges, snapshot {held.snapshot}")
        for title, counts in (("kind", held.kinds), ("edge type", held.edge_types), ("licence", held.licences)):
            table([title, "count"], [[name or "(none)", f"{count:,}"] for name, count in sorted(counts.items())])


def diff(
    old: Annotated[str, typer.Argument(help="The graph of before: a name or a folder.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="The graph of now.", metavar="NEW")],
    saved: Annotated[Path | None, typer.Option(help="Node ids, one a line, that saved links and queries use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report drift: nodes renamed, merged or gone between two graphs, and which saved ids that touches.

    Example: `agentrt kg diff old-graph new-graph --saved ids.txt`
    """
    from dataclasses import asdict

    from kg_rag import compare

    try:
        lines = saved.read_text("utf-8").splitlines() if saved else []
    except OSError as error:
        raise UsageError(f"{saved} cannot be read: {error.strerror}") from error
    with opened(old) as before, opened(new) as after:
        drift = compare(before, after, [line.strip() for line in lines if line.strip()])
    if as_json:
        print_json(asdict(drift))
        return
    counts = f"{len(drift.renamed)} renamed, {len(drift.merged)} merged, {len(drift.vanished)} gone, {drift.added} new"
    typer.echo(counts)
    table(["renamed", "from", "to"], [[node, *names] for node, names in list(drift.renamed.items())[:50]])
    table(["merged", "into"], [[node, into] for node, into in list(drift.merged.items())[:50]])
    table(["gone"], [[node] for node in drift.vanished[:50]])
    table(["edge type", "before", "now"], [[name, *map(str, pair)] for name, pair in drift.edge_types.items()])
    table(["saved id touched"], [[node] for node in drift.touched])


def read_documents(paths: Sequence[Path]) -> dict[str, str]:
    """The texts of files, and of the .txt and .md files in folders, by their path.

    Raises:
        UsageError: one cannot be read, or there is none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(one for one in path.rglob("*") if one.suffix.lower() in (".txt", ".md"))
        else:
            files.append(path)
    try:
        texts = {str(file): file.read_text("utf-8") for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"a document cannot be read as text: {error}") from error
    if not texts:
        raise UsageError("there is no .txt or .md file in what was named")
    return texts
