"""A draft tree as flat arrays, level by level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agentrt.serving.rsd.sampling import FloatArray, IntArray
from agentrt.serving.rsd.shape import TreeShape

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tree:
    """The draft tree of one request: n nodes (the root first, then level by level), e of them expanded.

    Siblings stand in the order in which they were drawn. Because levels follow each other, the first k nodes of a
    tree are a tree again, whatever k is: a scheduler may cut it anywhere.

    Attributes:
        shape: what grew it.
        tokens: token ids, shape [n]; the root is the last token that is already part of the text.
        parents: index of each node's parent, shape [n]; -1 for the root.
        depths: levels below the root, shape [n].
        slots: index of each token in its parent's support, shape [n]; -1 for the root.
        log_q: log q(token | parent), shape [n]; 0 for the root; -inf marks padding that is no draft.
        perturbed: the value each node was chosen by, shape [n].
        support: token ids to which the draft gave probability, a row for each expanded node, shape [e, m].
        support_log_q: their log-probabilities, each row summing to one in probability, shape [e, m].
    """

    shape: TreeShape
    tokens: IntArray
    parents: IntArray
    depths: IntArray
    slots: IntArray
    log_q: FloatArray
    perturbed: FloatArray
    support: IntArray
    support_log_q: FloatArray

    def __len__(self) -> int:
        return len(self.tokens)

    def children(self) -> list[list[int]]:
        """The children of each node in drawing order, padding left out."""
        found: list[list[int]] = [[] for _ in range(len(self))]
        alive = np.isfinite(self.log_q).tolist()
        parents: list[int] = self.parents.tolist()
        for node, parent in enumerate(parents):
            if parent >= 0 and alive[node]:
                found[parent].append(node)
        return found

    def ancestor_mask(self) -> BoolArray:
        """`mask[i, j]`: node i attends to node j, because j is i or above it. Shape [n, n]."""
        return ancestor_mask(self.parents, self.depths)

    def positions(self, root: int) -> IntArray:
        """Positions for the model when the root stands at position `root`, shape [n]."""
        return root + self.depths

    def cut(self, nodes: int) -> Tree:
        """The tree of the first `nodes` nodes, the root included."""
        if nodes >= len(self):
            return self
        keep = slice(0, nodes)
        return Tree(
            self.shape,
            self.tokens[keep],
            self.parents[keep],
            self.depths[keep],
            self.slots[keep],
            self.log_q[keep],
            self.perturbed[keep],
            self.support,
            self.support_log_q,
        )


def ancestor_mask(parents: IntArray, depths: IntArray) -> BoolArray:
    """Ancestors of each node, itself included, from flat arrays in level order; shape [n, n]."""
    mask = np.eye(len(parents), dtype=np.bool_)
    starts = np.searchsorted(depths, np.arange(1, int(depths[-1]) + 2))
    for low, high in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        mask[low:high] |= mask[parents[low:high]]
    return mask
