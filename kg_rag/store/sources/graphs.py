"""Graphs that were built already as sources of a new one, and several sources as one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from kg_rag.graph import EdgeRecord, NodeRecord, Schema
from kg_rag.store.local import LocalGraph
from kg_rag.store.sources.port import GraphSource

_BATCH = 5_000


class Snapshot(GraphSource):
    """The records of an open graph, to which others can be added with `Joined`."""

    def __init__(self, graph: LocalGraph) -> None:
        self._graph = graph
        self.name = graph.info.name
        self.schema = graph.schema

    def nodes(self) -> Iterator[NodeRecord]:
        for start in range(0, self._graph.info.nodes, _BATCH):
            for node in self._graph.nodes(range(start, min(start + _BATCH, self._graph.info.nodes))):
                yield NodeRecord(
                    node.id,
                    node.name,
                    node.kind,
                    node.synonyms,
                    node.description,
                    node.attributes,
                    where=f"{self.name}, node {node.id}",
                )

    def edges(self) -> Iterator[EdgeRecord]:
        ids: list[str] = [row[0] for row in self._graph.rows("SELECT id FROM node ORDER BY idx")]
        for start in range(0, self._graph.info.edges, _BATCH):
            for edge in self._graph.edges(range(start, min(start + _BATCH, self._graph.info.edges))):
                yield EdgeRecord(
                    ids[edge.source],
                    edge.type,
                    ids[edge.target],
                    "|".join(edge.sources),
                    edge.evidence,
                    edge.licence,
                    edge.attributes or None,
                    f"{self.name}, edge {edge.index}",
                )


class Joined(GraphSource):
    """Several sources one after the other; nodes with the same id need `duplicates="merge"`.

    What a schema says of an edge type or kind counts where no earlier source spoke of it.
    """

    def __init__(self, *sources: GraphSource) -> None:
        self._sources = sources
        self.name = " and ".join(source.name for source in sources)
        self.schema = Schema(
            {name: one for source in reversed(sources) for name, one in source.schema.relations.items()},
            {kind: words for source in reversed(sources) for kind, words in source.schema.kinds.items()},
        )

    def nodes(self) -> Iterator[NodeRecord]:
        return chain.from_iterable(source.nodes() for source in self._sources)

    def edges(self) -> Iterator[EdgeRecord]:
        return chain.from_iterable(source.edges() for source in self._sources)
