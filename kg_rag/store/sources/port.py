"""A source of a build: nodes first, then edges, each as a stream that can be read once more from its start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from kg_rag.graph import EdgeRecord, NodeRecord, Schema


class GraphSource(ABC):
    """Where a graph's records come from."""

    name: str = "source"
    schema: Schema = Schema()

    @abstractmethod
    def nodes(self) -> Iterator[NodeRecord]:
        """Every node. May be empty where edges alone define the nodes (`unknown="create"`)."""

    @abstractmethod
    def edges(self) -> Iterator[EdgeRecord]:
        """Every edge."""


class Records(GraphSource):
    """Records that are in memory already."""

    def __init__(
        self,
        nodes: Iterable[NodeRecord] = (),
        edges: Iterable[EdgeRecord] = (),
        *,
        schema: Schema | None = None,
        name: str = "records",
    ) -> None:
        self._nodes: Sequence[NodeRecord] = tuple(nodes)
        self._edges: Sequence[EdgeRecord] = tuple(edges)
        self.name = name
        self.schema = schema or Schema()

    def nodes(self) -> Iterator[NodeRecord]:
        return iter(self._nodes)

    def edges(self) -> Iterator[EdgeRecord]:
        return iter(self._edges)
