"""What a question asks for and the graph does not state, so that near misses are not taken for an answer.

A note never says that something is not so: graphs have gaps. It says what was looked for and not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from kg_rag.context.sentences import clean
from kg_rag.graph import Node
from kg_rag.retrieval.port import Query
from kg_rag.retrieval.relevance import asked_for, relation_scores
from kg_rag.store.port import GraphStore
from kg_rag.words import list_markers, words

_MOST_NODES = 12
_MOST_NOTES = 4
_SAMPLE = 4


def absences(store: GraphStore, query: Query) -> list[str]:
    """Sentences on what the graph lacks: linked nodes without an edge of the types the question's words ask for, and
    pairs of linked nodes that no such edge joins, although edges of these types join nodes of such kinds.

    Only types whose own words stand in the question count; where none does, nothing is said.
    """
    wanted = asked_for(relation_scores(query.text, store.types, store.schema))
    if not len(wanted):
        return []
    linked = {link.best.node: link.start for link in reversed(query.links) if link.best}
    linked = dict(sorted(linked.items(), key=lambda one: one[1]))
    nodes = {node.index: node for node in store.nodes(list(linked)[:_MOST_NODES])}
    partners: dict[int, frozenset[int]] = {}
    for index in nodes:
        found = store.neighbourhood([index], query.where)
        partners[index] = frozenset(found.neighbours[np.isin(found.labels // 2, wanted)].tolist())
    said = " or ".join(dict.fromkeys(f'"{store.schema.relation(store.types[int(at)]).label}"' for at in wanted))
    under = "" if query.where.open else " under these filters"
    notes: list[str] = []
    if bare := [nodes[index] for index, near in partners.items() if not near]:
        notes.append(f"The graph has no {said} statement about {_names(bare, 'or')}{under}.")
    # Two options of one question are not asked about each other.
    tokens = words(query.text)
    first = min((tokens[at].start for at in list_markers(query.text, tokens)), default=len(query.text))
    options = {index for index, start in linked.items() if start > first}
    apart = _apart(store, nodes, partners, options)
    for index, others in sorted(apart.items(), key=lambda one: -len(one[1])):
        # A pair is told once, at the end that has more of them.
        left = [other for other in others if index in apart.get(other, ())]
        if left:
            notes.append(
                f"The graph has no {said} statement about {clean(nodes[index].name)} and "
                f"{_names([nodes[other] for other in left], 'or')}{under}."
            )
        apart[index] = []
    return notes[:_MOST_NOTES]


def _apart(
    store: GraphStore, nodes: dict[int, Node], partners: dict[int, frozenset[int]], options: set[int]
) -> dict[int, list[int]]:
    """For each node the others that edges of these types could join it to, going by kinds, and do not."""
    kinds = {
        index: {node.kind for node in store.nodes(sorted(near)[:_SAMPLE])} for index, near in partners.items() if near
    }
    found: dict[int, list[int]] = {index: [] for index in nodes}
    for one, other in combinations(kinds, 2):
        could = nodes[other].kind in kinds[one] or nodes[one].kind in kinds[other]
        if could and other not in partners[one] and not {one, other} <= options:
            found[one].append(other)
            found[other].append(one)
    return found


def _names(nodes: Sequence[Node], word: str) -> str:
    names: Iterable[str] = [clean(node.name) for node in nodes]
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
