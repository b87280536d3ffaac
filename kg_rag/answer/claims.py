"""Verifies the triples an answer states against the graph: supported, contradicted, or unknown.

A graph is never complete, so that an edge is missing proves nothing: such a claim is unknown. It is contradicted when
the answer denies an edge that is there, when the pair carries the opposite edge type, or when a functional edge type
already leads elsewhere (cf. KGARevion, Su et al. 2025).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from kg_rag.answer.citations import split_sentences
from kg_rag.linking.mentions import MentionFinder
from kg_rag.retrieval.relevance import relation_scores
from kg_rag.store.port import GraphStore

Verdict = Literal["supported", "contradicted", "unknown"]
_NOT = re.compile(r"\b(?:not|no|never|neither|nor|cannot|isn't|doesn't|does not|don't)\b", re.IGNORECASE)
_LEAST_FIT = 0.3


@dataclass(frozen=True, slots=True)
class Claim:
    """A triple stated in words.

    Attributes:
        sentence: where it was stated.
        source: index of its source node.
        type: the edge type that fits the wording best.
        target: index of its target node.
        negated: whether the sentence denies it.
        verdict: what the graph says.
        edges: the edges that support or contradict it.
    """

    sentence: str
    source: int
    type: str
    target: int
    negated: bool
    verdict: Verdict
    edges: tuple[int, ...] = ()


def check_claims(answer: str, store: GraphStore, finder: MentionFinder) -> list[Claim]:
    """The claims of an answer that name two nodes of the graph and a relation between them, each with its verdict."""
    found: list[Claim] = []
    for sentence in split_sentences(answer):
        links = [link.best.node for link in finder.find(sentence) if link.best]
        fit = relation_scores(sentence, store.types, store.schema)
        negated = _NOT.search(sentence) is not None
        if not len(fit) or fit.max() < _LEAST_FIT:
            continue
        likely = [store.types[int(at)] for at in (-fit).argsort(kind="stable") if fit[at] >= fit.max() - 0.05]
        for source, target in combinations(dict.fromkeys(links), 2):
            found.append(verify(store, source, likely, target, negated=negated, sentence=sentence))
    return found


def verify(
    store: GraphStore, source: int, types: Sequence[str], target: int, *, negated: bool = False, sentence: str = ""
) -> Claim:
    """The verdict on one claim; `types` are the edge types it may mean, likeliest first."""
    between = store.edges(store.between(source, target))
    stated = [edge for edge in between if edge.type in types]
    if stated:
        verdict: Verdict = "contradicted" if negated else "supported"
        edge = stated[0]
        return Claim(sentence, edge.source, edge.type, edge.target, negated, verdict, tuple(e.index for e in stated))
    if negated:
        return Claim(sentence, source, types[0], target, negated, "unknown")
    opposites = {store.schema.relation(name).opposite for name in types} - {""}
    against = [edge.index for edge in between if edge.type in opposites]
    for name in types:
        if not against and store.schema.relation(name).functional:
            label = 2 * list(store.types).index(name)
            found = store.around([source])
            against = found.edges[found.labels == label].tolist()
    return Claim(sentence, source, types[0], target, negated, "contradicted" if against else "unknown", tuple(against))
