"""Typed multi-hop paths: which path of relations a question asks for, and where it leads.

Plans of relation paths that are then walked in the graph: Reasoning on Graphs (Luo et al. 2024); paths as the unit of
retrieval: PathRAG (Chen et al. 2025).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from kg_rag.embedding import Embedder
from kg_rag.errors import NotFitted
from kg_rag.graph import RelationPath, Scores, Step, Walk
from kg_rag.linking.linker import Link
from kg_rag.retrieval.port import GraphRetriever, Query, Retrieved
from kg_rag.retrieval.relevance import relation_scores
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.port import GraphStore
from kg_rag.words import words

_MOST_WALKS = 200_000
_STEP = 0.15
_AGAIN = 0.05


def follow(
    store: GraphStore, seed: int, path: RelationPath, where: EdgeFilter | None = None, limit: int = _MOST_WALKS
) -> list[Walk]:
    """Every walk from `seed` along the types of `path` that does not come back to `seed`, at most `limit`."""
    nodes = np.array([[seed]], np.int64)
    edges = np.zeros((1, 0), np.int64)
    for step in path:
        label = store.label(step)
        ends, back = np.unique(nodes[:, -1], return_inverse=True)
        found = store.neighbourhood(ends, where)
        found = found.where((found.labels == label) & (found.neighbours != seed))
        # Each walk goes on with every edge of the node it has reached.
        starts = np.searchsorted(found.origins, back, side="left")
        counts = np.searchsorted(found.origins, back, side="right") - starts
        total = int(counts.sum())
        rows = np.repeat(np.arange(len(nodes)), counts)[:limit]
        places = (np.arange(total) + np.repeat(starts - (np.cumsum(counts) - counts), counts))[:limit]
        nodes = np.concatenate([nodes[rows], found.neighbours[places][:, None]], axis=1)
        edges = np.concatenate([edges[rows], found.edges[places][:, None]], axis=1)
    return [Walk(tuple(n), tuple(e)) for n, e in zip(nodes.tolist(), edges.tolist(), strict=True)]


def mask(question: str, link: Link | None) -> str:
    """A question with its mention replaced by one word, so that what is left is what is asked of it."""
    if link is None or link.start < 0:
        return question
    return f"{question[: link.start]} topicentity {question[link.end :]}"


class PathPredictor:
    """Ranks relation paths for a question, from examples: a linear model over the words around the mention."""

    def __init__(self) -> None:
        self._paths: list[RelationPath] = []
        self._vectorizer: Any = None
        self._model: Any = None

    @property
    def paths(self) -> Sequence[RelationPath]:
        """The paths it has seen."""
        return self._paths

    def fit(self, questions: Sequence[str], paths: Sequence[RelationPath]) -> PathPredictor:
        """Learns from questions (mentions masked by `mask`) and the path each asks for. Needs scikit-learn."""
        text: Any = import_module("sklearn.feature_extraction.text")
        svm: Any = import_module("sklearn.svm")
        self._paths = sorted(set(paths))
        codes = {path: at for at, path in enumerate(self._paths)}
        if len(self._paths) < 2:
            self._model = None
            return self
        self._vectorizer = text.CountVectorizer(tokenizer=_tokens, token_pattern=None, ngram_range=(1, 3), binary=True)
        seen = self._vectorizer.fit_transform(list(questions))
        # A fixed seed: liblinear shuffles, and figures must come out the same again.
        self._model = svm.LinearSVC(C=1.0, random_state=0).fit(seen, [codes[path] for path in paths])
        return self

    def predict(self, question: str, limit: int = 5) -> list[tuple[RelationPath, float]]:
        """The likeliest paths for a masked question with their margins, best first.

        Raises:
            NotFitted: it has seen no examples.
        """
        if not self._paths:
            raise NotFitted("the path predictor")
        if self._model is None:
            return [(self._paths[0], 1.0)]
        margins = np.atleast_1d(self._model.decision_function(self._vectorizer.transform([question]))[0])
        if len(self._paths) == 2:
            margins = np.array([-margins[0], margins[0]])
        order = np.argsort(-margins, kind="stable")[:limit]
        return [(self._paths[int(at)], float(margins[at])) for at in order]


def zero_shot_paths(
    store: GraphStore, question: str, seed: int, *, hops: int = 2, limit: int = 5, embedder: Embedder | None = None
) -> list[tuple[RelationPath, float]]:
    """Paths from `seed` whose relation names fit a question, without examples, best first.

    A beam search over the types that are really there: a step scores its type's fit to the question, a type already
    used on the path scores almost nothing again, and every step has a cost.
    """
    fit = relation_scores(question, store.types, store.schema, embedder)
    beam: list[tuple[RelationPath, float, Sequence[int]]] = [((), 0.0, [seed])]
    done: list[tuple[RelationPath, float]] = []
    for _ in range(hops):
        grown: list[tuple[RelationPath, float, Sequence[int]]] = []
        for path, score, ends in beam:
            found = store.around(ends[:200])
            for label in np.unique(found.labels):
                step = Step(store.types[int(label) // 2], bool(label % 2))
                reached = np.unique(found.neighbours[found.labels == label])
                reached = reached[reached != seed]
                if not len(reached):
                    continue
                gain = _AGAIN if any(one.type == step.type for one in path) else float(fit[int(label) // 2])
                grown.append(((*path, step), score + gain - _STEP, reached.tolist()))
        grown.sort(key=lambda one: (-one[1], one[0]))
        beam = grown[:limit]
        done += [(path, score) for path, score, _ in beam]
    return sorted(done, key=lambda one: (-one[1], len(one[0]), one[0]))[:limit]


class TypedPaths(GraphRetriever):
    """Walks the relation paths a question asks for, from the node it mentions.

    Args:
        predictor: chooses paths from examples; without one, names of relations are compared with the question.
        tries: how many paths to try until one leads somewhere.
        hops: longest path without a predictor.
        embedder: for the comparison of relation names, without a predictor.
    """

    def __init__(
        self, predictor: PathPredictor | None = None, *, tries: int = 3, hops: int = 2, embedder: Embedder | None = None
    ) -> None:
        self._predictor = predictor
        self._tries = tries
        self._hops = hops
        self._embedder = embedder

    def retrieve(self, store: GraphStore, query: Query) -> Retrieved:
        for link in sorted(query.links, key=lambda one: one.start - one.end):
            for candidate in link.accepted:
                for path, score in self._choose(store, query.text, link, candidate.node):
                    walks = follow(store, candidate.node, path, query.where)
                    if walks:
                        return _from_walks(walks, score)
        return Retrieved.nothing()

    def _choose(self, store: GraphStore, question: str, link: Link, seed: int) -> Iterable[tuple[RelationPath, float]]:
        masked = mask(question, link)
        if self._predictor is not None:
            return self._predictor.predict(masked, self._tries)
        return zero_shot_paths(store, masked, seed, hops=self._hops, limit=self._tries, embedder=self._embedder)


def _from_walks(walks: Sequence[Walk], score: float) -> Retrieved:
    """Ends ranked by how many walks lead to them; edges in the order of the walks that use them."""
    counts: dict[int, int] = {}
    for walk in walks:
        counts[walk.nodes[-1]] = counts.get(walk.nodes[-1], 0) + 1
    answers = sorted(counts, key=lambda node: (-counts[node], node))
    place = {node: at for at, node in enumerate(answers)}
    ordered = sorted(walks, key=lambda walk: place[walk.nodes[-1]])
    edges = np.array(list(dict.fromkeys(edge for walk in ordered for edge in walk.edges)), np.int64)
    scores: Scores = score - np.arange(len(edges)) / max(len(edges), 1)
    return Retrieved(edges, scores, tuple(ordered), tuple(answers))


def _tokens(text: str) -> list[str]:
    return [word.text for word in words(text)]
