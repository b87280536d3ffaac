"""Sibling rules of drafts drawn with replacement, to compare with: SpecInfer and K-SEQ."""

from __future__ import annotations

import numpy as np

from agentrt.serving.rsd.rules import Residual, ratio
from agentrt.serving.rsd.sampling import FloatArray


class WithReplacement:
    """Multi-round rejection of independent draws (SpecInfer, Miao et al. 2023, arXiv 2305.09781, algorithm 3).

    Like recursive rejection sampling, but every sibling is a draw from the same q.
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
        del slot
        self.residual.subtract(1.0, self._q)

    def finish(self) -> Residual:
        """See `Siblings.finish`."""
        return self.residual


class KSequential:
    """K-SEQ (SpecTr, Sun et al. 2023, arXiv 2310.15141, algorithm 2).

    Each of K independent draws is accepted with probability min(1, p(x) / (gamma q(x))); if none is, the token comes
    from norm(p - min(q, p / gamma) * (1 - (1 - b)^K) / b), b = sum min(q, p / gamma).
    """

    def __init__(self, inside: FloatArray, q: FloatArray, children: int) -> None:
        self.residual = Residual.of(inside)
        self._q = q
        self._draws = children
        self._gamma = k_sequential_gamma(self.residual.inside, q, children)

    def acceptance(self, slot: int) -> float:
        """See `Siblings.acceptance`."""
        return ratio(float(self.residual.inside[slot]), self._gamma * float(self._q[slot]))

    def reject(self, slot: int) -> None:
        """See `Siblings.reject`: the draws are judged alike, nothing changes between them."""
        del slot

    def finish(self) -> Residual:
        """See `Siblings.finish`."""
        p = self.residual.inside
        shared = np.minimum(self._q, p / self._gamma)
        mass = float(shared.sum())
        if mass > 0.0:
            share = (1.0 - (1.0 - mass) ** self._draws) / mass
            left = Residual(p, self.residual.tail)
            left.subtract(1.0, shared * share)
            return left
        return self.residual


def k_sequential_gamma(p: FloatArray, q: FloatArray, draws: int) -> float:
    """The smallest valid gamma in [1, K]: the root of 1 - (1 - b(gamma))^K = gamma b(gamma), by bisection.

    Any gamma at or above the root keeps the output exact; the upper end of the last interval is returned.
    """
    low, high = 1.0, float(draws)
    for _ in range(50):
        middle = (low + high) / 2
        mass = float(np.minimum(q, p / middle).sum())
        if 1.0 - (1.0 - mass) ** draws > middle * mass:
            low = middle
        else:
            high = middle
    return high
