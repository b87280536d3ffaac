"""One-hop retrieval, as KG-RAG does it (Soman et al. 2024), for every node type and with edges ranked."""

from __future__ import annotations

import numpy as np

from kg_rag.embedding import Embedder
from kg_rag.retrieval.port import GraphRetriever, Query, Retrieved
from kg_rag.retrieval.relevance import asked_for, relation_scores
from kg_rag.store.port import GraphStore

_BOTH_ENDS = 1.0
_COMMON = 0.5


class Neighbourhood(GraphRetriever):
    """The edges around the nodes a question mentions.

    An edge ranks by how well its type fits the question, and above all others where it joins two mentioned nodes; one
    that leads to a neighbour of several mentioned nodes comes next, since `commonly` asks for those.

    Args:
        ranked: False gives every edge the same score: the whole neighbourhood, as a baseline.
        embedder: adds likeness of meaning between relation names and the question.
    """

    def __init__(self, *, ranked: bool = True, embedder: Embedder | None = None) -> None:
        self._ranked = ranked
        self._embedder = embedder

    def retrieve(self, store: GraphStore, query: Query) -> Retrieved:
        seeds = query.seeds
        if not seeds:
            return Retrieved.nothing()
        found = store.neighbourhood(seeds, query.where)
        if not self._ranked:
            return Retrieved.ranked(found.edges, np.ones(len(found.edges)))
        fit = relation_scores(query.text, store.types, store.schema, self._embedder)
        scores = fit[found.labels // 2]
        wanted = np.isin(found.labels // 2, asked_for(fit))
        # How many different mentions a neighbour touches, by an edge type that fits: pairs are counted once.
        pairs = np.unique(np.stack([found.neighbours, found.origins, found.labels // 2]), axis=1)
        groups, members = np.unique(pairs[[0, 2]], axis=1, return_counts=True)
        shared = {(int(node), int(kind)): int(n) for (node, kind), n in zip(groups.T, members, strict=True) if n > 1}
        if shared:
            touched = [
                shared.get(pair, 1)
                for pair in zip(found.neighbours.tolist(), (found.labels // 2).tolist(), strict=True)
            ]
            scores = scores + _COMMON * (1 - 1 / np.array(touched))
        joined = np.isin(found.neighbours, np.array(seeds, np.int64))
        scores = scores + _BOTH_ENDS * joined
        # Direct are edges of the types asked for: those that join mentioned nodes, or else lead to a common neighbour.
        near = (wanted & joined, wanted & (scores > fit[found.labels // 2]), wanted)
        direct = scores[next((one for one in near if one.any()), wanted)]
        return Retrieved.ranked(found.edges, scores, float(direct.min()) if len(direct) else np.inf)
