"""Looks names up: exactly, with words in another order, and by the character n-grams they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kg_rag.linking import acronyms, rewrites
from kg_rag.linking.names import grams
from kg_rag.store.csr import load_mapped
from kg_rag.store.local import LocalGraph

_BATCH = 400
_SPELT = 40


class Entry(NamedTuple):
    """A node under one of its names: `rank` is 0 for its own name, 1 for a synonym."""

    node: int
    rank: int


class Similar(NamedTuple):
    """A name like the one asked for."""

    doc: int
    node: int
    rank: int
    text: str
    cosine: float


class NameIndex:
    """The name index of a graph, opened on first use."""

    def __init__(self, graph: LocalGraph) -> None:
        self._graph = graph
        folder = graph.folder
        self._starts: npt.NDArray[np.int64] = load_mapped(folder / "gram_starts.npy")
        self._idf: npt.NDArray[np.float32] = load_mapped(folder / "gram_idf.npy")
        self._docs: npt.NDArray[np.int32] = load_mapped(folder / "gram_docs.npy")
        self._weights: npt.NDArray[np.float32] = load_mapped(folder / "gram_weights.npy")
        self._node: npt.NDArray[np.int32] = load_mapped(folder / "name_node.npy")
        self.vectors: npt.NDArray[np.float16] | None = (
            load_mapped(folder / "name_vectors.npy") if (folder / "name_vectors.npy").exists() else None
        )

    def __len__(self) -> int:
        return len(self._node)

    def exact(self, texts: Sequence[str]) -> dict[str, list[Entry]]:
        """Nodes whose normalised name is one of `texts`, own names first."""
        return self._phrases("phrase", texts)

    def reordered(self, text: str) -> list[Entry]:
        """Nodes with a name of the same words in any order."""
        key = rewrites.key(text.split())
        return self._phrases("sorted_phrase", [key]).get(key, [])

    def spelt_out(self, text: str) -> list[Entry]:
        """Nodes with a name whose words begin with the letters of a normalised mention."""
        key = acronyms.key_of(text)
        return self._phrases("initials", [key]).get(key, [])[:_SPELT] if key else []

    def similar(self, text: str, limit: int = 24) -> list[Similar]:
        """The names whose character n-grams are most like those of a normalised name, best first."""
        buckets, times = np.unique(np.array(grams(text), np.int64), return_counts=True)
        if not len(buckets) or not len(self):
            return []
        weights = (1 + np.log(times)) * self._idf[buckets]
        weights /= np.linalg.norm(weights)
        runs = [
            (int(self._starts[one]), int(self._starts[one + 1]), float(w))
            for one, w in zip(buckets, weights, strict=True)
        ]
        docs = np.concatenate([self._docs[low:high] for low, high, _ in runs])
        values = np.concatenate([self._weights[low:high] * np.float32(weight) for low, high, weight in runs])
        cosines = np.bincount(docs, weights=values, minlength=len(self))
        count = min(limit, len(cosines))
        best = np.argpartition(-cosines, count - 1)[:count]
        best = best[np.lexsort((best, -cosines[best]))]
        best = best[cosines[best] > 0]
        texts = self._texts([int(doc) for doc in best])
        return [Similar(int(doc), *texts[int(doc)], float(cosines[doc])) for doc in best if int(doc) in texts]

    def nearest(self, vector: npt.NDArray[np.float32], limit: int = 20) -> list[Similar]:
        """The names whose embeddings are nearest to a unit vector, best first; none without embeddings."""
        if self.vectors is None or not len(self):
            return []
        cosines = np.concatenate(
            [self.vectors[at : at + 16_384].astype(np.float32) @ vector for at in range(0, len(self), 16_384)]
        )
        count = min(limit, len(cosines))
        best = np.argpartition(-cosines, count - 1)[:count]
        best = best[np.lexsort((best, -cosines[best]))]
        texts = self._texts([int(doc) for doc in best])
        return [Similar(int(doc), *texts[int(doc)], float(cosines[doc])) for doc in best]

    def rewritten(self, text: str, limit: int = 200) -> dict[int, int]:
        """Nodes with a name that one rewriting rule makes of a normalised name, with the rule's support."""
        words = text.split()
        sides = rewrites.left_sides(words)
        sql = (
            f"SELECT gone, new, support FROM rewrite WHERE gone IN ({','.join('?' * len(sides))}) "
            "ORDER BY support DESC LIMIT ?"
        )
        left = {gone: rewrites.left_over(words, gone) for gone in sides}
        support: dict[str, int] = {}
        for gone, new, count in self._graph.rows(sql, [*sides, limit]):
            if (kept := left[gone]) is not None:
                made = rewrites.put(kept, gone, new)
                support[made] = max(count, support.get(made, 0))
        found: dict[int, int] = {}
        for made, entries in self._phrases("sorted_phrase", list(support)).items():
            for entry in entries:
                found[entry.node] = max(support[made], found.get(entry.node, 0))
        return found

    def document_frequency(self, word: str) -> float:
        """How rare a word is, as the mean inverse document frequency of its n-grams."""
        found = grams(word)
        return float(self._idf[found].mean()) if found else 0.0

    def _texts(self, docs: Sequence[int]) -> dict[int, tuple[int, int, str]]:
        marks = ",".join("?" * len(docs))
        sql = f"SELECT doc, node, rank, text FROM indexed_name WHERE doc IN ({marks})"
        return {row[0]: (row[1], row[2], row[3]) for row in self._graph.rows(sql, docs)}

    def _phrases(self, table: str, texts: Sequence[str]) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            sql = (
                f"SELECT text, node, rank FROM {table} WHERE text IN ({','.join('?' * len(batch))}) ORDER BY rank, node"
            )
            for text, node, rank in self._graph.rows(sql, batch):
                found.setdefault(text, []).append(Entry(node, rank))
        return found
