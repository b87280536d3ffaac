"""The adjacency index: a compressed sparse row matrix in memory-mapped files, made beside the SQLite records.

Each edge stands in it twice, at its source and at its target. The entries of a node are sorted by label (edge type and
direction) and then by neighbour, so one type's edges are a slice and a pair of nodes is found by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kg_rag.graph import Indices, Scores
from kg_rag.store.port import Adjacency

Int32 = npt.NDArray[np.int32]
UInt16 = npt.NDArray[np.uint16]

MAX_TYPES = 2**15
_SWEEP_ENTRIES = 1 << 18


class Ends(NamedTuple):
    """The two ends and the type of every edge, in edge order."""

    source: Int32
    target: Int32
    type: UInt16


class CsrIndex:
    """The adjacency index of one snapshot, mapped from `folder`.

    Attributes:
        indptr: (nodes + 1,); the entries of node `i` are `indptr[i]` up to `indptr[i + 1]`.
        neighbours: (2 * edges,) the node at the other end.
        labels: (2 * edges,) `2 * type + inverse`.
        edges: (2 * edges,) the edge's index.
    """

    def __init__(self, folder: Path) -> None:
        self.indptr: Indices = load_mapped(folder / "indptr.npy")
        self.neighbours: Int32 = load_mapped(folder / "neighbours.npy")
        self.labels: UInt16 = load_mapped(folder / "labels.npy")
        self.edges: Int32 = load_mapped(folder / "edges.npy")

    def around(self, nodes: Sequence[int] | Indices) -> Adjacency:
        """Every edge end at each of `nodes`, grouped by node."""
        if len(nodes) == 1:
            start, stop = self.indptr[nodes[0]], self.indptr[nodes[0] + 1]
            return Adjacency(
                np.zeros(stop - start, np.int64),
                self.neighbours[start:stop].astype(np.int64),
                self.labels[start:stop].astype(np.int64),
                self.edges[start:stop].astype(np.int64),
            )
        at = np.asarray(nodes, np.int64)
        starts, counts = self.indptr[at], self.degrees(at)
        origins = np.repeat(np.arange(len(at)), counts)
        # Position k of a node's run is its start plus k; the run's own start in the output is taken off again.
        places = np.arange(len(origins)) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        return Adjacency(
            origins,
            self.neighbours[places].astype(np.int64),
            self.labels[places].astype(np.int64),
            self.edges[places].astype(np.int64),
        )

    def degrees(self, nodes: Sequence[int] | Indices) -> Indices:
        """How many edge ends each of `nodes` has."""
        at = np.asarray(nodes, np.int64)
        return self.indptr[at + 1] - self.indptr[at]

    def sweep(self, weights: Scores) -> Scores:
        """Adds up `weights` over each node's neighbours: the product of the adjacency matrix and a vector.

        Works through blocks of nodes, so that its working memory stays small whatever the size of the graph.
        """
        sums = np.zeros(len(weights))
        first, nodes = 0, sums.shape[0]
        while first < nodes:
            ahead = int(np.searchsorted(self.indptr, int(self.indptr[first]) + _SWEEP_ENTRIES, side="right"))
            last = min(max(ahead - 1, first + 1), nodes)
            starts = self.indptr[first : last + 1]
            filled = np.flatnonzero(starts[1:] > starts[:-1])
            if len(filled):
                values = weights[self.neighbours[starts[0] : starts[-1]]]
                # `reduceat` gives an empty run its neighbour's value, so empty runs are left out.
                sums[first + filled] = np.add.reduceat(values, starts[filled] - starts[0])
            first = last
        return sums


def write_index(folder: Path, ends: Ends, nodes: int) -> None:
    """Writes the index files of `ends` into `folder`. Sorts twice the edges in memory: about 40 bytes an edge."""
    count = len(ends.source)
    both = 2 * count
    near = np.concatenate([ends.source, ends.target])
    label = np.empty(both, np.uint16)
    np.multiply(ends.type, 2, out=label[:count])
    np.add(label[:count], 1, out=label[count:])
    indptr = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(near, minlength=nodes), out=indptr[1:])
    far = np.concatenate([ends.target, ends.source])
    # Stable passes from the least to the most significant key: no 64-bit composite key has to be made.
    order = np.argsort(far, kind="stable").astype(np.uint32 if both < 2**32 else np.int64)
    order = order[np.argsort(label[order], kind="stable")]
    order = order[np.argsort(near[order], kind="stable")]
    del near
    np.save(folder / "indptr.npy", indptr)
    np.save(folder / "neighbours.npy", far[order])
    del far
    np.save(folder / "labels.npy", label[order])
    del label
    np.save(folder / "edges.npy", (order % count).astype(np.int32) if count else np.zeros(0, np.int32))


def load_mapped(path: Path) -> npt.NDArray[Any]:
    """A `.npy` file mapped read-only, as a plain array: slices of `numpy.memmap` itself are several times slower."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
