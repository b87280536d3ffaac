"""The siblings of one node against the target's distribution there: who is accepted, and what is left if nobody is.

A draft gives probability to the tokens of its support only. So p is kept as its values on the support and the mass
outside of it (the tail), where max(p - q, 0) = p: a rejection costs O(support), whatever the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agentrt.serving.rsd.sampling import FloatArray


@dataclass(slots=True)
class Residual:
    """A distribution over support and tail.

    Attributes:
        inside: probability of each support token, shape [m].
        tail: probability of all other tokens together, which are distributed there as under p.
    """

    inside: FloatArray
    tail: float

    @classmethod
    def of(cls, inside: FloatArray) -> Residual:
        """p as it stands, from its values on the support."""
        # Rounding can bring a support that holds all of p a hair above one.
        return cls(inside.astype(np.float64), max(1.0 - float(inside.sum()), 0.0))

    def subtract(self, scale: float, q: FloatArray) -> float:
        """Turn p into norm(max(scale * p - q, 0)); returns the norm's divisor.

        A divisor of zero means scale * p = q: there is nothing to reject with, and p stays as it is.
        """
        left = np.maximum(scale * self.inside - q, 0.0)
        tail = scale * self.tail
        total = float(left.sum()) + tail
        if total > 0.0:
            self.inside, self.tail = left / total, tail / total
        return total


def without(q: FloatArray, slot: int) -> FloatArray:
    """q with the token at `slot` taken out, normalised again; all zeros if nothing else had probability."""
    left = q.copy()
    left[slot] = 0.0
    total = left.sum()
    return left / total if total > 0.0 else left


class Siblings(Protocol):
    """The trial of one node's children, in drawing order."""

    residual: Residual

    def acceptance(self, slot: int) -> float:
        """Probability of accepting the next child, whose token is at `slot` of the support."""
        ...

    def reject(self, slot: int) -> None:
        """Go on after the rejection of that child."""
        ...

    def finish(self) -> Residual:
        """What the next token is drawn from after all children were rejected."""
        ...


class SiblingRule(Protocol):
    """Opens the trial at a node: p and q on the support (shape [m] each), and the number of children."""

    def __call__(self, inside: FloatArray, q: FloatArray, children: int, /) -> Siblings: ...


class WithoutReplacement:
    """Siblings drawn without replacement: recursive rejection sampling (Jeon et al. 2024, algorithm 1).

    A child x is accepted with probability min(1, p(x)/q(x)); on rejection p <- norm(max(p - q, 0)) and q loses x.
    """

    def __init__(self, inside: FloatArray, q: FloatArray, children: int) -> None:
        del children
        self.residual = Residual.of(inside)
        self._q = q

    def acceptance(self, slot: int) -> float:
        """See `Siblings.acceptance`."""
        return ratio(float(self.residual.inside[slot]), float(self._q[slot]))

    def reject(self, slot: int) -> None:
        """See `Siblings.reject`."""
        self.residual.subtract(1.0, self._q)
        self._q = without(self._q, slot)

    def finish(self) -> Residual:
        """See `Siblings.finish`."""
        return self.residual


def ratio(p: float, q: float) -> float:
    """min(1, p/q), with 1 for q = 0: a token that was drafted all the same is judged by p alone."""
    return 1.0 if p >= q else p / q
