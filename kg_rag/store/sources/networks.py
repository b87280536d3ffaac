"""A networkx graph as a source: node attributes `name`, `kind`, `synonyms`; edge attribute `type`, or the edge key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from kg_rag.graph import EdgeRecord, NodeRecord, Schema
from kg_rag.store.sources.port import GraphSource

if TYPE_CHECKING:
    import networkx as nx

_NODE_FIELDS = frozenset({"name", "kind", "synonyms", "description"})
_EDGE_FIELDS = frozenset({"type", "sources", "evidence", "licence"})


class Network(GraphSource):
    """Any networkx graph; an undirected edge becomes one directed edge, whichever end networkx gives first."""

    def __init__(self, graph: nx.Graph[Any], *, schema: Schema | None = None, name: str = "networkx graph") -> None:
        self._graph = graph
        self.schema = schema or Schema()
        self.name = name

    def nodes(self) -> Iterator[NodeRecord]:
        for node, data in cast("Iterator[tuple[object, Mapping[str, Any]]]", iter(self._graph.nodes(data=True))):
            rest = {key: value for key, value in data.items() if key not in _NODE_FIELDS}
            yield NodeRecord(
                str(node),
                str(data.get("name", node)),
                str(data.get("kind", "")),
                tuple(str(name) for name in data.get("synonyms", ())),
                str(data.get("description", "")),
                rest or None,
                where=f"{self.name}, node {node!r}",
            )

    def edges(self) -> Iterator[EdgeRecord]:
        graph: Any = self._graph
        keyed = bool(graph.is_multigraph())
        found: Any = graph.edges(keys=True, data=True) if keyed else graph.edges(data=True)
        for source, target, *more in found:
            data = cast("Mapping[str, Any]", more[-1])
            key = more[0] if keyed and isinstance(more[0], str) else "related_to"
            rest = {name: value for name, value in data.items() if name not in _EDGE_FIELDS}
            sources = data.get("sources", "")
            yield EdgeRecord(
                str(source),
                str(data.get("type", key)),
                str(target),
                sources if isinstance(sources, str) else "|".join(str(one) for one in sources),
                str(data.get("evidence", "")),
                str(data.get("licence", "")),
                rest or None,
                f"{self.name}, edge {source!r} to {target!r}",
            )
