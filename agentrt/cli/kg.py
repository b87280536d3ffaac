"""`agentrt kg`: build knowledge graphs, look into them, and ask them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.cli import kg_build
from agentrt.cli.kg_show import (
    AsJson,
    Budget,
    Dot,
    Graph,
    Licences,
    Limit,
    Name,
    Question,
    Sources,
    Strength,
    Svg,
    Types,
    edge_filter,
    node_of,
    opened,
    plain,
    print_json,
    show,
    table,
)
from agentrt.errors import UsageError
from agentrt.tools.knowledge_graph import OPEN_GRAPH

if TYPE_CHECKING:
    from kg_rag import KnowledgeGraphRAG

app = typer.Typer(
    help="Build knowledge graphs, look into them, and ask them.", no_args_is_help=True, rich_markup_mode="markdown"
)
for command in (kg_build.build, kg_build.info, kg_build.diff, kg_build.extract, kg_build.suggest):
    app.command()(command)


@app.command()
def link(
    mention: Annotated[str, typer.Argument(help="What a text calls it.", metavar="MENTION")],
    graph: Graph = OPEN_GRAPH,
    limit: Limit = 5,
    as_json: AsJson = False,
) -> None:
    """Say which nodes a mention may mean, and how sure that is.

    Example: `agentrt kg link "cancer of the lung"`
    """
    from kg_rag import Linker

    with opened(graph) as found:
        result = Linker(found).link(mention, limit=limit)
        nodes = found.nodes([one.node for one in result.candidates])
    rows = [
        {"id": node.id, "name": node.name, "kind": node.kind, "confidence": round(one.confidence, 3), "how": one.how}
        for one, node in zip(result.candidates, nodes, strict=True)
    ]
    if as_json:
        print_json({"mention": mention, "linked": result.best is not None, "candidates": rows})
        return
    if result.best is None:
        near = "; the nearest are:" if rows else ""
        typer.echo(f"no node is likely enough (threshold {result.threshold}){near}")
    table(["id", "name", "kind", "confidence", "how"], [list(row.values()) for row in rows])


@app.command()
def neighbours(
    name: Name,
    graph: Graph = OPEN_GRAPH,
    types: Types = None,
    licences: Licences = None,
    sources: Sources = None,
    strength: Strength = 0,
    limit: Limit = 20,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show the edges around a node, by name or id.

    Example: `agentrt kg neighbours Leucovorin --type CrC`
    """
    with opened(graph) as found:
        for one in types or ():
            if one not in found.types:
                raise UsageError(f"the graph holds no edge type {one!r}; it has {', '.join(found.types)}")
        around = found.neighbourhood([node_of(found, name)], edge_filter(types, licences, sources, strength))
        show(found, around.edges[:limit].tolist(), as_json=as_json, dot=dot, svg=svg)
        if len(around.edges) > limit and not (as_json or dot):
            typer.echo(f"{len(around.edges) - limit:,} more; raise --limit or choose a --type")


@app.command()
def path(
    source: Annotated[str, typer.Argument(help="The node it begins at, by name or id.", metavar="SOURCE")],
    target: Annotated[str, typer.Argument(help="The node it ends at.", metavar="TARGET")],
    graph: Graph = OPEN_GRAPH,
    hops: Annotated[int, typer.Option(min=1, max=6, help="Longest path.")] = 4,
    types: Types = None,
    licences: Licences = None,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show a shortest path between two nodes.

    Example: `agentrt kg path Leucovorin gout`
    """
    from kg_rag.retrieval.subgraph import shortest_walk

    with opened(graph) as found:
        ends = node_of(found, source), node_of(found, target)
        walk = shortest_walk(found, *ends, hops=hops, where=edge_filter(types, licences))
        if walk is None:
            raise UsageError(f"no path of {hops} edges or fewer joins {source!r} and {target!r}; raise --hops")
        show(found, walk.edges, as_json=as_json, dot=dot, svg=svg)


@app.command()
def subgraph(
    question: Question,
    graph: Graph = OPEN_GRAPH,
    budget: Budget = 512,
    types: Types = None,
    licences: Licences = None,
    sources: Sources = None,
    strength: Strength = 0,
    as_json: AsJson = False,
    dot: Dot = False,
    svg: Svg = None,
) -> None:
    """Show a connected subgraph around what a question mentions, inside a token budget.

    Example: `agentrt kg subgraph "leucovorin and gout" --svg picture.svg`
    """
    from kg_rag import KnowledgeGraphRAG, PrizeSubgraph

    with opened(graph) as found:
        where = edge_filter(types, licences, sources, strength)
        pipeline = KnowledgeGraphRAG(found, retriever=PrizeSubgraph(budget), where=where)
        show(found, pipeline.find(question).retrieved.edges.tolist(), as_json=as_json, dot=dot, svg=svg)


@app.command()
def ask(
    question: Question,
    graph: Graph = OPEN_GRAPH,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model that answers; `none` shows the evidence only.")
    ] = "none",
    budget: Budget = 512,
    types: Types = None,
    licences: Licences = None,
    sources: Sources = None,
    strength: Strength = 0,
    conflict: Annotated[str, typer.Option(help="context, rcr or scr.")] = "context",
    mentions: Annotated[str, typer.Option(help="Who finds mentions: dictionary, or model besides.")] = "dictionary",
    as_json: AsJson = False,
) -> None:
    """Answer a question from a graph, with its evidence; without a model the evidence is the answer.

    Example: `agentrt kg ask --graph hetionet-open "Which class includes methotrexate?"`
    """
    import anyio

    from kg_rag import ContextBuilder, KnowledgeGraphRAG

    if conflict not in ("context", "rcr", "scr"):
        raise UsageError(f"--conflict is context, rcr or scr, not {conflict!r}")
    if mentions not in ("dictionary", "model") or (mentions == "model" and model == "none"):
        raise UsageError("--mentions is dictionary, or model together with --model")
    with opened(graph) as found:
        builder = ContextBuilder(budget)
        pipeline = KnowledgeGraphRAG(found, builder=builder, where=edge_filter(types, licences, sources, strength))
        if model == "none":
            held = pipeline.find(question)
            evidence = [one.line for one in held.context.evidence]
            result: dict[str, Any] = {"question": question, "evidence": evidence, "absent": list(held.absent)}
        else:
            result = anyio.run(_answer, pipeline, question, model, conflict, mentions == "model")
    if as_json:
        print_json(result)
        return
    if "answer" in result:
        typer.echo(plain(result["answer"]) + "\n")
    for line in result["absent"]:
        typer.echo(f"{plain(line)}{' What it has:' if result['evidence'] else ''}")
    for line in result["evidence"] or ["The graph has nothing on this."]:
        typer.echo(plain(line))
    for flag in result.get("flagged", ()):
        typer.echo(f"! {flag['verdict']}: {plain(flag['sentence'])}", err=True)
    for claim in result.get("claims", ()):
        if claim["verdict"] == "contradicted":
            typer.echo(f"! contradicted by the graph: {plain(claim['sentence'])}", err=True)


async def _answer(
    pipeline: KnowledgeGraphRAG, question: str, model: str, conflict: Any, by_model: bool
) -> dict[str, Any]:
    from dataclasses import replace

    from agentrt.serving import open_model
    from kg_rag.linking.model_mentions import ModelMentions

    async with open_model(model, temperature=0, max_tokens=400) as chat:
        # Only now are a catalogue model's files, its tokenizer among them, sure to be here.
        pipeline.builder = replace(pipeline.builder, count_tokens=token_counter(model))
        mentions = ModelMentions(chat, pipeline.finder) if by_model else None
        answer = await pipeline.ask(question, chat, conflict=conflict, mentions=mentions)
    return {
        "question": question,
        "answer": answer.text,
        "chosen": answer.resolved.chosen,
        "evidence": [one.line for one in answer.found.context.evidence],
        "absent": list(answer.found.absent),
        "flagged": [{"sentence": one.text, "verdict": one.verdict} for one in answer.flagged],
        "claims": [{"type": one.type, "verdict": one.verdict, "sentence": one.sentence} for one in answer.claims],
    }


def token_counter(model: str) -> Callable[[str], int]:
    """The tokenizer of a model whose files are on this machine; an estimate from above for one at a URL."""
    from pathlib import Path

    from agentrt.serving.home import model_home
    from kg_rag.context.pruning import estimate_tokens
    from kg_rag.context.tokens import tokenizer_counter

    own = Path(model).expanduser() / "tokenizer.json"
    found = [own] if own.is_file() else sorted(model_home(model.strip().lower()).glob("*/tokenizer.json"))
    return tokenizer_counter(found[0]) if found else estimate_tokens
