"""Knowledge graphs as tools: statements with their provenance for a question, inside a token budget."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agentrt.tools.decorator import tool
from executor import Tool

if TYPE_CHECKING:
    from kg_rag import KnowledgeGraphRAG, LocalGraph
    from kg_rag.pipeline import Found
    from kg_rag.store.build import Progress

OPEN_GRAPH = "hetionet-open"
"""The name of the graph that ships with the examples."""

_MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Statements:
    """What a graph says on a question.

    Attributes:
        title: the graph's name.
        text: one statement a line with its evidence id, sources, evidence code and licence, then what was looked for
            and not found.
        source: the graph's release and snapshot, by which the answer can be found again.
        names: what the statements lead to from the things the question mentions, best first, each once.
    """

    title: str
    text: str
    source: str
    names: list[str] = field(default_factory=list[str])


def knowledge_graph(graph: str | Path | KnowledgeGraphRAG, *, name: str = "knowledge_graph", budget: int = 512) -> Tool:
    """A `pure` tool that looks a question up in a graph. Plans reach what it finds as `$1.text` and `$1.names`.

    Args:
        graph: the name or folder of a graph, or a pipeline that is open already.
        name: what plans call it.
        budget: most tokens of one result.

    Raises:
        kg_rag.KnowledgeGraphError: the graph cannot be opened.
    """
    from kg_rag import ContextBuilder, KnowledgeGraphRAG

    if isinstance(graph, KnowledgeGraphRAG):
        pipeline = graph
    else:
        pipeline = KnowledgeGraphRAG(open_named(graph), builder=ContextBuilder(budget))
    held = pipeline.graph.info
    kinds = ", ".join(sorted(held.kinds)[:12])

    @tool(effect="pure", name=name, description=f"Finds statements about {kinds} in a knowledge graph.")
    def look_up(question: str) -> Statements:
        """Finds statements in a knowledge graph.

        Args:
            question: a question, or the names of things to look up.
        """
        found = pipeline.find(question)
        text = found.context.text or "The knowledge graph has nothing on this."
        return Statements(held.name, text, f"{held.version or 'release unknown'}, {held.snapshot}", _names(found))

    return look_up


def _names(found: Found) -> list[str]:
    asked = {one.node for link in found.links for one in link.accepted}
    ends = [
        name
        for one in found.context.evidence
        for node, name in ((one.edge.source, one.triple[0]), (one.edge.target, one.triple[2]))
        if node not in asked
    ]
    return list(dict.fromkeys(ends))[:_MOST_NAMES]


def graph_home(name: str | Path) -> Path:
    """Where a graph lies: a path as it is written, a bare name under the cache folder."""
    from agentrt.serving.home import home

    path = Path(name)
    if path.name != str(name) or path.is_dir():
        return path
    return home() / "graphs" / path


def open_named(name: str | Path, *, progress: Progress | None = None) -> LocalGraph:
    """An open graph. The one that ships with the examples is built on first use, and again where it cannot be read.

    Raises:
        kg_rag.KnowledgeGraphError: there is no such graph, or it cannot be opened.
    """
    from kg_rag import open_graph
    from kg_rag.errors import GraphError

    path = graph_home(name)
    try:
        return open_graph(path)
    except GraphError:
        # Not built yet, half built, or built by another version: its sources are here.
        if str(name) != OPEN_GRAPH or path == Path(name) or not _OPEN_DATA.is_dir():
            raise
        _build_open_graph(path, progress)
        return open_graph(path)


_OPEN_DATA = Path(__file__).resolve().parents[2] / "examples" / "data" / "kg"


def _build_open_graph(path: Path, progress: Progress | None) -> None:
    from kg_rag import Tables, build_graph
    from kg_rag.store.local import schema_from_json

    schema = schema_from_json(json.loads((_OPEN_DATA / "hetionet.schema.json").read_text("utf-8")))
    edges, nodes = (_OPEN_DATA / f"{OPEN_GRAPH}-{part}.parquet" for part in ("edges", "nodes"))
    build_graph(Tables(edges, nodes, schema=schema), path, version="1.0", progress=progress)
