"""What a verifier asks of the target model's distributions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from agentrt.serving.rsd.errors import NonFiniteLogits
from agentrt.serving.rsd.sampling import FloatArray, IntArray


class TargetRows(Protocol):
    """The target's next-token distribution p at every node of one tree, read only where a verifier looks."""

    def probabilities(self, node: int, tokens: IntArray) -> FloatArray:
        """p(token | node) of each of `tokens`, shape [m], in float64."""
        ...

    def sample_outside(self, node: int, tokens: IntArray, uniform: float) -> int:
        """A token drawn from p(. | node) restricted to tokens outside `tokens`, by inverse transform of `uniform`.

        Where no other token has probability (rounding alone leads there), the most probable token of the row.
        """
        ...


class DenseRows:
    """Target rows from a table of probabilities: for small vocabularies, and for tests.

    Args:
        table: probabilities, shape [nodes, vocabulary]; every row sums to one.

    Raises:
        NonFiniteLogits: the table holds NaN.
    """

    def __init__(self, table: FloatArray) -> None:
        if np.isnan(table).any():
            raise NonFiniteLogits("the target's probabilities hold NaN: check the target checkpoint and its dtype")
        self._table = table

    def probabilities(self, node: int, tokens: IntArray) -> FloatArray:
        """See `TargetRows.probabilities`."""
        return self._table[node, tokens]

    def sample_outside(self, node: int, tokens: IntArray, uniform: float) -> int:
        """See `TargetRows.sample_outside`."""
        row = self._table[node].copy()
        row[tokens] = 0.0
        if not row.any():
            return int(self._table[node].argmax())
        return inverse_transform(row, uniform)


def inverse_transform(weights: FloatArray, uniform: float) -> int:
    """Index drawn in proportion to `weights` (not negative, not all zero), never one of weight zero."""
    sums: FloatArray = np.cumsum(weights)
    index = int(sums.searchsorted(uniform * float(sums[-1]), side="right"))
    # Rounding can put `uniform * total` on the last sum: step back to the last entry that has weight.
    return index if index < len(sums) else last_nonzero(weights)


def last_nonzero(values: FloatArray) -> int:
    """Index of the last entry that is not zero."""
    return len(values) - 1 - int((values[::-1] != 0).argmax())
