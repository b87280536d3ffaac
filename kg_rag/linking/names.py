"""The name index of a snapshot: exact phrases in SQLite, and character n-grams as memory-mapped posting lists.

N-grams are hashed into a fixed number of buckets, so no vocabulary has to be loaded to look a name up; weights are
TF-IDF with unit length a name, so a dot product is a cosine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from kg_rag.graph import Indices
from kg_rag.linking import rewrites
from kg_rag.linking.acronyms import initials
from kg_rag.words import normalise

if TYPE_CHECKING:
    from kg_rag.store.records import RecordWriter

BUCKETS = 1 << 18
GRAMS = (2, 3, 4)
_CHUNK = 20_000
_NAMES_COMPARED = 12
_LEAST_SUPPORT = 2


def grams(text: str) -> list[int]:
    """The buckets of a normalised name's character n-grams, a blank at each end of every word."""
    found: list[int] = []
    for word in text.split():
        padded = f" {word} "
        for size in GRAMS:
            found += [crc32(padded[at : at + size].encode()) & (BUCKETS - 1) for at in range(len(padded) - size + 1)]
    return found


def write_names(folder: Path, writer: RecordWriter, *, vectors: bool) -> None:
    """Writes the name index of the records in `writer` into `folder`; works through them in bounded chunks."""
    counts = np.zeros(BUCKETS + 1, np.int64)
    docs = 0
    for rows in _chunks(writer):
        writer.phrases("phrase", ((text, node, rank) for node, rank, text in rows))
        writer.phrases("sorted_phrase", ((rewrites.key(text.split()), node, rank) for node, rank, text in rows))
        short = ((initials(text.split()), node, rank) for node, rank, text in rows)
        writer.phrases("initials", (row for row in short if row[0]))
        writer.indexed_names((docs + at, node, rank, text) for at, (node, rank, text) in enumerate(rows))
        docs += len(rows)
        for _, buckets, _ in _weighted(rows):
            counts[buckets + 1] += 1
    _write_rewrites(writer)
    starts = np.cumsum(counts)
    idf = np.log((1 + docs) / (1 + np.diff(starts))) + 1
    total = int(starts[-1])
    posting_docs = _mapped(folder / "gram_docs.npy", np.int32, total)
    posting_weights = _mapped(folder / "gram_weights.npy", np.float32, total)
    node_of, rank_of = np.empty(docs, np.int32), np.empty(docs, np.int8)
    free = starts[:-1].copy()
    first = 0
    for rows in _chunks(writer):
        _place(rows, first, idf, free, posting_docs, posting_weights)
        node_of[first : first + len(rows)] = [row[0] for row in rows]
        rank_of[first : first + len(rows)] = [row[1] for row in rows]
        first += len(rows)
    np.save(folder / "gram_starts.npy", starts)
    np.save(folder / "gram_idf.npy", idf.astype(np.float32))
    np.save(folder / "name_node.npy", node_of)
    np.save(folder / "name_rank.npy", rank_of)
    if vectors:
        from kg_rag.embedding import WordLlamaEmbedder

        embedder = WordLlamaEmbedder()
        parts = [embedder.embed([row[2] for row in rows]).astype(np.float16) for rows in _chunks(writer)]
        np.save(folder / "name_vectors.npy", np.concatenate(parts) if parts else np.zeros((0, embedder.size)))


def _mapped(path: Path, dtype: type[np.generic], size: int) -> npt.NDArray[Any]:
    """A new `.npy` file of `size` elements, written through a memory map."""
    library: Any = np.lib.format
    return library.open_memmap(path, mode="w+", dtype=dtype, shape=(size,))


def _write_rewrites(writer: RecordWriter) -> None:
    support: Counter[tuple[str, str]] = Counter()
    for _, rows in groupby(writer.names_by_node(), key=lambda row: row[0]):
        names = [normalise(name) for _, name in rows][:_NAMES_COMPARED]
        support.update(set(rewrites.learn(names)))
    writer.rewrites((gone, new, count) for (gone, new), count in support.items() if count >= _LEAST_SUPPORT)


Row = tuple[int, int, str]
"""node, rank, normalised name."""


def _chunks(writer: RecordWriter) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for node, rank, name in writer.names():
        if text := normalise(name):
            rows.append((node, rank, text))
        if len(rows) == _CHUNK:
            yield rows
            rows = []
    if rows:
        yield rows


def _weighted(rows: Sequence[Row]) -> Iterator[tuple[int, Indices, Indices]]:
    for at, (_, _, text) in enumerate(rows):
        buckets, times = np.unique(np.array(grams(text), np.int64), return_counts=True)
        yield at, buckets, times


def _place(
    rows: Sequence[Row],
    first: int,
    idf: npt.NDArray[np.float64],
    free: Indices,
    docs: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
) -> None:
    """Appends a chunk's names to their posting lists; `free` is where each list goes on."""
    all_buckets: list[Indices] = []
    all_docs: list[npt.NDArray[np.int32]] = []
    all_weights: list[npt.NDArray[np.float64]] = []
    for at, buckets, times in _weighted(rows):
        weight = (1 + np.log(times)) * idf[buckets]
        all_buckets.append(buckets)
        all_docs.append(np.full(len(buckets), first + at, np.int32))
        all_weights.append(weight / (np.linalg.norm(weight) or 1.0))
    buckets = np.concatenate(all_buckets)
    order = np.argsort(buckets, kind="stable")
    ordered = buckets[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(ordered)])
    within = np.arange(len(ordered)) - np.repeat(starts, sizes)
    places = free[ordered] + within
    docs[places] = np.concatenate(all_docs)[order]
    weights[places] = np.concatenate(all_weights)[order]
    free[ordered[starts]] += sizes
