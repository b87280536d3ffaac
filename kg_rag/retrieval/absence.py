"""What a question asks for and the graph does not state, so that near misses are not taken for an answer."""

from __future__ import annotations

import numpy as np

from kg_rag.context.sentences import clean
from kg_rag.retrieval.port import Query
from kg_rag.retrieval.relevance import relation_scores
from kg_rag.store.port import GraphStore

_ASKED_FOR = 0.5
_AS_LIKELY = 0.05


def absences(store: GraphStore, query: Query) -> list[str]:
    """A sentence for each linked node that has no edge of the types the question's words ask for.

    Only types whose own words stand in the question count; where none does, nothing is said. That a graph states no
    such edge never means that it is not so.
    """
    fit = relation_scores(query.text, store.types, store.schema)
    if not len(fit) or fit.max() < _ASKED_FOR:
        return []
    wanted = np.flatnonzero(fit >= fit.max() - _AS_LIKELY)
    missing: list[int] = []
    for node in dict.fromkeys(link.best.node for link in query.links if link.best):
        labels = store.neighbourhood([node], query.where).labels // 2
        if not np.isin(labels, wanted).any():
            missing.append(node)
    said = " or ".join(dict.fromkeys(f'"{store.schema.relation(store.types[int(at)]).label}"' for at in wanted))
    under = "" if query.where.open else " under these filters"
    return [f"The graph has no {said} statement about {clean(node.name)}{under}." for node in store.nodes(missing)]
