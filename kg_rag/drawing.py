"""Pictures of retrieved subgraphs: a networkx view, Graphviz DOT, and an SVG that stands alone."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kg_rag.context.sentences import clean
from kg_rag.store.port import GraphStore

if TYPE_CHECKING:
    import networkx as nx

_SIZE = 900
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#bab0ac")


def as_networkx(store: GraphStore, edges: Sequence[int]) -> nx.MultiDiGraph[str]:
    """The subgraph of some edges, with node ids as nodes, edge types as keys and all fields as attributes."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    found = store.edges(edges)
    ends = list(dict.fromkeys(end for edge in found for end in (edge.source, edge.target)))
    nodes = {node.index: node for node in store.nodes(ends)}
    for node in nodes.values():
        graph.add_node(node.id, name=node.name, kind=node.kind)
    for edge in found:
        graph.add_edge(
            nodes[edge.source].id,
            nodes[edge.target].id,
            key=f"{edge.type} {edge.index}",
            type=edge.type,
            label=store.schema.relation(edge.type).label,
            sources=list(edge.sources),
            evidence=edge.evidence,
            licence=edge.licence,
        )
    return graph


def as_dot(store: GraphStore, edges: Sequence[int]) -> str:
    """The subgraph in Graphviz's language."""
    graph = as_networkx(store, edges)
    lines = ["digraph knowledge {", "  rankdir=LR;"]
    for node, data in graph.nodes(data=True):
        lines.append(f"  {_quoted(node)} [label={_quoted(clean(str(data['name'])))}];")
    for source, target, data in graph.edges(data=True):
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [label={_quoted(clean(str(data['label'])))}];")
    return "\n".join([*lines, "}", ""])


def as_svg(store: GraphStore, edges: Sequence[int]) -> str:
    """The subgraph as an SVG drawing without scripts, in a deterministic force-directed layout."""
    import networkx as nx

    graph = as_networkx(store, edges)
    layout: Any = nx.spring_layout(nx.Graph(graph), seed=7, k=2.2 / math.sqrt(max(1, graph.number_of_nodes())))
    kinds = sorted({str(data["kind"]) for _, data in graph.nodes(data=True)})
    place = {node: tuple((float(one) * 0.42 + 0.5) * _SIZE for one in point) for node, point in layout.items()}
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}" font-family="sans-serif"'
        ' font-size="11">',
        '<defs><marker id="to" viewBox="0 0 8 8" refX="16" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>',
    ]
    for source, target, data in graph.edges(data=True):
        (x1, y1), (x2, y2) = place[source], place[target]
        shapes.append(
            f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#999" marker-end="url(#to)"/>'
        )
        label = html.escape(clean(str(data["label"])))
        shapes.append(f'<text x="{(x1 + x2) / 2:.0f}" y="{(y1 + y2) / 2:.0f}" fill="#555">{label}</text>')
    for node, data in graph.nodes(data=True):
        x, y = place[node]
        colour = _COLOURS[kinds.index(str(data["kind"])) % len(_COLOURS)]
        name, kind = html.escape(clean(str(data["name"]))), html.escape(clean(str(data["kind"])))
        shapes.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9" fill="{colour}"><title>{kind}: {name}</title></circle>')
        shapes.append(f'<text x="{x + 11:.0f}" y="{y + 4:.0f}">{name}</text>')
    return "\n".join([*shapes, "</svg>", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
