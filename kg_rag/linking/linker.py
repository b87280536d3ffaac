"""Links a mention to nodes: exactly, by its words in another order, by likeness, and to nothing below a threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kg_rag.embedding import Embedder, WordLlamaEmbedder
from kg_rag.linking.acronyms import is_acronym, spelt
from kg_rag.linking.index import Entry, NameIndex, Similar
from kg_rag.linking.ranking import DEFAULT, Ranking, features
from kg_rag.store.local import LocalGraph
from kg_rag.words import normalise

_EXACT = {0: 1.0, 1: 0.98}
_REORDERED = {0: 0.97, 1: 0.95}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node a mention may mean.

    Attributes:
        node: its index.
        confidence: probability, by the ranking model, that the mention means it; 1 for its own name.
        name: the normalised name that was matched.
        how: `exact`, `reordered` or `similar`.
    """

    node: int
    confidence: float
    name: str
    how: str


@dataclass(frozen=True, slots=True)
class Link:
    """What a mention was linked to.

    Attributes:
        mention: the text of the mention.
        candidates: what it may mean, likeliest first, those below the threshold included.
        threshold: the least confidence at which it is linked.
        start: where it stands in the question; -1 where it was linked by itself.
        end: where it ends.
    """

    mention: str
    candidates: tuple[Candidate, ...]
    threshold: float
    start: int = -1
    end: int = -1

    @property
    def best(self) -> Candidate | None:
        """The likeliest candidate, or None where none reaches the threshold."""
        if self.candidates and self.candidates[0].confidence >= self.threshold:
            return self.candidates[0]
        return None

    @property
    def accepted(self) -> tuple[Candidate, ...]:
        """Every candidate as good as the best one: several where the mention is ambiguous."""
        best = self.best
        if best is None:
            return ()
        return tuple(one for one in self.candidates if one.confidence >= best.confidence - 0.005)


class Linker:
    """Links mentions to the nodes of one graph.

    Args:
        graph: the graph.
        ranking: the model that scores likeness, with its threshold.
        embedder: used where the graph was built with `vectors=True`; WordLlama by default.
        kinds: kinds of nodes to link to; all by default.
    """

    def __init__(
        self,
        graph: LocalGraph,
        *,
        ranking: Ranking = DEFAULT,
        embedder: Embedder | None = None,
        kinds: Collection[str] | None = None,
    ) -> None:
        self.graph = graph
        self.index = NameIndex(graph)
        self.ranking = ranking
        self._embedder = embedder or (WordLlamaEmbedder() if self.index.vectors is not None else None)
        self._kinds = frozenset(kinds) if kinds is not None else None
        self._rarity = lru_cache(maxsize=20_000)(self.index.document_frequency)

    def link(self, mention: str, *, limit: int = 5, kinds: Collection[str] | None = None) -> Link:
        """The nodes a mention may mean, of `kinds` only where given. Empty text gives no candidates."""
        text = normalise(mention)
        found = self.exact(text) if text else []
        if not found and text:
            found = self.similar(mention, limit=limit)
        wanted = frozenset(kinds) if kinds is not None else self._kinds
        if wanted is not None:
            nodes = self.graph.nodes([one.node for one in found])
            found = [one for one, node in zip(found, nodes, strict=True) if node.kind in wanted]
        return Link(mention, tuple(found[:limit]), self.ranking.threshold)

    def exact(self, text: str) -> list[Candidate]:
        """Nodes with this normalised name, or with its words in another order."""
        entries = self.index.exact([text]).get(text, [])
        found = _candidates(entries, text, "exact", _EXACT)
        if not found and " " in text:
            found = _candidates(self.index.reordered(text), text, "reordered", _REORDERED)
        return found

    def similar(self, mention: str, *, limit: int = 5) -> list[Candidate]:
        """Nodes with a name like a mention, likeliest first."""
        found, rows = self.pairs(mention)
        best: dict[int, Candidate] = {}
        for one, probability in zip(found, self.ranking.probabilities(rows), strict=True):
            # Likeness never outranks an exact match.
            confidence = min(float(probability), 0.94)
            if one.node not in best or confidence > best[one.node].confidence:
                best[one.node] = Candidate(one.node, confidence, one.text, "similar")
        return sorted(best.values(), key=lambda one: (-one.confidence, one.node))[:limit]

    def pairs(self, mention: str) -> tuple[list[Similar], list[list[float]]]:
        """The names worth comparing with a mention, and the features of each pair."""
        text, acronym = normalise(mention), is_acronym(mention)
        found = self.index.similar(text)
        meanings: dict[int, float] = {}
        if self._embedder is not None and self.index.vectors is not None:
            vector = self._embedder.embed([text])[0]
            near = self.index.nearest(vector)
            seen = {one.doc for one in found}
            found += [one._replace(cosine=0.0) for one in near if one.doc not in seen]
            for one in found:
                meanings[one.doc] = float(self.index.vectors[one.doc].astype(vector.dtype) @ vector)
        support = self.index.rewritten(text)
        near = {*support, *(one.node for one in self.index.spelt_out(text))} if acronym else set(support)
        missing = sorted(near - {one.node for one in found})
        for node in self.graph.nodes(missing):
            names = [normalise(name) for name in (node.name, *node.synonyms)]
            short = text.replace(" ", "")
            best = max(range(len(names)), key=lambda at: spelt(short, names[at].split())) if acronym else 0
            found.append(Similar(-1, node.index, int(best > 0), names[best], 0.0))
        rows = [
            features(
                text,
                one.text,
                one.cosine,
                meanings.get(one.doc, 0.0),
                one.rank,
                support.get(one.node, 0),
                self._rarity,
                acronym=acronym,
            )
            for one in found
        ]
        return found, rows


def _candidates(entries: Sequence[Entry], name: str, how: str, confidence: dict[int, float]) -> list[Candidate]:
    return [Candidate(entry.node, confidence[entry.rank], name, how) for entry in entries]
