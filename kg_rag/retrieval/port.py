"""The one interface of retrieval: a question with its links in, ranked edges of the graph out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kg_rag.graph import Indices, Scores, Walk
from kg_rag.linking.linker import Link
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.port import GraphStore


@dataclass(frozen=True, slots=True)
class Query:
    """A question, what its mentions were linked to, and which edges may answer it."""

    text: str
    links: Sequence[Link] = ()
    where: EdgeFilter = field(default_factory=EdgeFilter)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The nodes the question mentions, in order, each once; an ambiguous mention gives several."""
        return tuple(dict.fromkeys(one.node for link in self.links for one in link.accepted))


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Ranked edges.

    Attributes:
        edges: edge indices, best first, each once.
        scores: one an edge, falling.
        walks: the walks the edges come from, where retrieval went along walks.
        answers: nodes that answer the question by themselves, best first, where retrieval can tell.
        direct: how many of the first edges say themselves what is asked; None where retrieval cannot tell.
    """

    edges: Indices
    scores: Scores
    walks: Sequence[Walk] = ()
    answers: Sequence[int] = ()
    direct: int | None = None

    @classmethod
    def ranked(cls, edges: Indices, scores: Scores, direct_from: float = np.inf) -> Retrieved:
        """Edges with scores in any order, repeated ones under their best score; `direct` from a score on."""
        order = np.lexsort((edges, -scores))
        edges, scores = edges[order], scores[order]
        _, first = np.unique(edges, return_index=True)
        first.sort()
        direct = int(np.count_nonzero(scores[first] >= direct_from))
        return cls(edges[first], scores[first], direct=direct or None)

    @classmethod
    def nothing(cls) -> Retrieved:
        """No edge at all."""
        return cls(np.zeros(0, np.int64), np.zeros(0))


class GraphRetriever(ABC):
    """Finds the edges of a graph that bear on a question."""

    @abstractmethod
    def retrieve(self, store: GraphStore, query: Query) -> Retrieved:
        """Ranked edges for `query`; none where nothing was linked."""
