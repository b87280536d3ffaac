"""The store's port: what retrieval needs of a graph, whoever keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kg_rag.errors import UnknownEdgeType, UnknownNode
from kg_rag.graph import Edge, Indices, Mask, Node, Schema, Scores, Step
from kg_rag.store.filters import EdgeFilter


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """What a snapshot holds.

    Attributes:
        name: the graph's name.
        version: what its sources call this release.
        snapshot: a digest of its content; equal content has an equal digest.
        nodes: number of nodes; `kinds` splits it.
        edges: number of edges; `edge_types` and `licences` split it.
    """

    name: str
    version: str
    snapshot: str
    nodes: int
    edges: int
    kinds: Mapping[str, int] = field(default_factory=dict[str, int])
    edge_types: Mapping[str, int] = field(default_factory=dict[str, int])
    licences: Mapping[str, int] = field(default_factory=dict[str, int])


class Adjacency(NamedTuple):
    """Edges around nodes, one entry an edge end: arrays of equal length.

    `labels` is `2 * type + 1` for an edge that is walked backwards, `2 * type` otherwise; `origins` is the position
    in the question's node list that an entry belongs to.
    """

    origins: Indices
    neighbours: Indices
    labels: Indices
    edges: Indices

    def where(self, mask: Mask) -> Adjacency:
        """Only the entries where `mask` holds."""
        return Adjacency(self.origins[mask], self.neighbours[mask], self.labels[mask], self.edges[mask])


class GraphStore(ABC):
    """A graph that can be read. All methods are safe to call from several threads."""

    schema: Schema

    @property
    @abstractmethod
    def info(self) -> GraphInfo:
        """What the graph holds."""

    @property
    @abstractmethod
    def types(self) -> Sequence[str]:
        """Edge types; the position of one is its code."""

    @abstractmethod
    def find(self, node_id: str) -> int | None:
        """The index of a node id, or None."""

    @abstractmethod
    def nodes(self, indices: Sequence[int] | Indices) -> list[Node]:
        """The nodes at `indices`, in that order."""

    @abstractmethod
    def edges(self, indices: Sequence[int] | Indices) -> list[Edge]:
        """The edges at `indices`, in that order."""

    @abstractmethod
    def around(self, nodes: Sequence[int] | Indices) -> Adjacency:
        """Every edge end at each of `nodes`, in both directions, grouped by node, then label, then neighbour."""

    @abstractmethod
    def degrees(self, nodes: Sequence[int] | Indices) -> Indices:
        """How many edge ends each of `nodes` has."""

    @abstractmethod
    def sweep(self, weights: Scores) -> Scores:
        """Adds up `weights`, one a node, over each node's neighbours."""

    @abstractmethod
    def passes(self, edges: Indices, where: EdgeFilter) -> Mask:
        """Which of `edges` a filter lets through."""

    def index(self, node_id: str) -> int:
        """The index of a node id.

        Raises:
            UnknownNode: the graph holds no such node.
        """
        found = self.find(node_id)
        if found is None:
            raise UnknownNode(node_id)
        return found

    def label(self, step: Step) -> int:
        """The label of a step, as `Adjacency.labels` writes it.

        Raises:
            UnknownEdgeType: the graph holds no such type.
        """
        try:
            return 2 * list(self.types).index(step.type) + step.inverse
        except ValueError:
            raise UnknownEdgeType(step.type, self.types) from None

    def neighbourhood(self, nodes: Sequence[int] | Indices, where: EdgeFilter | None = None) -> Adjacency:
        """`around`, through a filter."""
        found = self.around(nodes)
        if where is None or where.open:
            return found
        return found.where(self.passes(found.edges, where))

    def between(self, source: int, target: int) -> Indices:
        """The edges that join two nodes, in either direction, in index order."""
        small, other = (source, target) if self.degrees([source])[0] <= self.degrees([target])[0] else (target, source)
        found = self.around([small])
        return np.unique(found.edges[found.neighbours == other])

    @abstractmethod
    def close(self) -> None:
        """Lets go of files. Reading afterwards is an error."""
