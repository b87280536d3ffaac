"""How near an edge type is to a question: shared words first, then likeness of meaning where embeddings are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from kg_rag.embedding import Embedder
from kg_rag.graph import Indices, Relation, Schema, Scores
from kg_rag.words import FUNCTION_WORDS, words

_SUFFIXES = (
    "ations",
    "ation",
    "ions",
    "ion",
    "ings",
    "ing",
    "ors",
    "or",
    "ers",
    "er",
    "ies",
    "ed",
    "es",
    "s",
    "e",
    "y",
)


_ASKED_FOR = 0.5
_AS_LIKELY = 0.05


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its plainest English ending; enough to see `directed` in `director`."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def relation_scores(question: str, types: Sequence[str], schema: Schema, embedder: Embedder | None = None) -> Scores:
    """How well each edge type fits a question, from 0 to 1.

    A type's phrases are its label, its inverse and the further words of its `Relation`; the best phrase counts. A
    phrase scores by the share of its words that the question has, each weighted by how few types use it.
    """
    asked = {stem(word.text) for word in words(question)} - FUNCTION_WORDS
    phrases = [_phrases(schema.relation(name)) for name in types]
    used: dict[str, int] = {}
    for own in phrases:
        for word in frozenset[str]().union(*own):
            used[word] = used.get(word, 0) + 1
    scores = np.zeros(len(types))
    for at, own in enumerate(phrases):
        for phrase in own:
            weights = {word: 1 / used[word] for word in phrase}
            total = sum(weights.values())
            if total:
                # A longer phrase that is there in full says more than a short one.
                share = sum(weight for word, weight in weights.items() if word in asked) / total
                scores[at] = max(scores[at], share * (1 - 0.25 / len(phrase)))
    if embedder is not None:
        vectors = embedder.embed([question, *(schema.relation(name).label for name in types)])
        scores = np.maximum(scores, 0.5 * np.clip(vectors[1:] @ vectors[0], 0, 1))
    return scores


def asked_for(fit: Scores) -> Indices:
    """The edge types whose own words a question uses: those that fit best, where any does; else none."""
    if not len(fit) or fit.max() < _ASKED_FOR:
        return np.zeros(0, np.int64)
    return np.flatnonzero(fit >= fit.max() - _AS_LIKELY)


def is_spoken(relation: Relation, sentence: str) -> bool:
    """Whether a sentence has all words of the relation's label, of its inverse, or of one of its further phrases."""
    said = {stem(word.text) for word in words(sentence)}
    return any(phrase and phrase <= said for phrase in _phrases(relation))


def _phrases(relation: Relation) -> list[frozenset[str]]:
    texts = (relation.label, relation.inverse, *relation.words)
    found = [frozenset(stem(word.text) for word in words(text)) - FUNCTION_WORDS for text in texts]
    return [phrase for phrase in found if phrase] or [frozenset()]
