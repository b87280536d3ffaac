"""Growing the draft trees of a batch, one level for each call of the draft model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agentrt.serving.rsd.errors import NonFiniteLogits
from agentrt.serving.rsd.sampling import FloatArray, IntArray, Picks, beam_step, gumbel_top_k, independent
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.tree import BoolArray, Tree


class Growth:
    """The trees of b requests while they grow: same shape for all, so every level is one static batch.

    Usage: while `not done`, run the draft model on `frontier` and hand its distributions to `grow`; then `trees()`.

    Args:
        shape: the tree to grow.
        roots: last token of each request, shape [b].
        generators: noise source of each request; None for a request at temperature 0, whose tree then holds the
            most probable continuations (any draft is exact there: the target's distribution is one-hot).
    """

    def __init__(
        self, shape: TreeShape, roots: Sequence[int] | IntArray, generators: Sequence[np.random.Generator | None]
    ) -> None:
        self.shape = shape
        self._generators = list(generators)
        batch = len(self._generators)
        zeros = np.zeros((batch, 1))
        none = np.full((batch, 1), -1, dtype=np.int64)
        self._tokens = [np.asarray(roots, dtype=np.int64).reshape(batch, 1)]
        self._parents = [none]
        self._slots = [none]
        self._log_q: list[FloatArray] = [zeros]
        self._phi: list[FloatArray] = [zeros]
        self._perturbed: list[FloatArray] = [zeros]
        self._support: list[IntArray] = []
        self._support_log_q: list[FloatArray] = []
        self._mask: BoolArray = np.ones((batch, 1, 1), dtype=np.bool_)
        self._above = 0
        self._start = 0

    @property
    def level(self) -> int:
        """Levels grown so far."""
        return len(self._tokens) - 1

    @property
    def done(self) -> bool:
        """Whether the tree has its full depth."""
        return self.level == self.shape.depth

    @property
    def frontier(self) -> IntArray:
        """Tokens of the newest level, shape [b, n]: what the draft model reads next."""
        return self._tokens[-1]

    @property
    def frontier_parents(self) -> IntArray:
        """Parent of each frontier node as its index within the level above, shape [b, n]; -1 for the root."""
        return np.maximum(self._parents[-1] - self._above, -1)

    @property
    def frontier_mask(self) -> BoolArray:
        """Which of all nodes so far each frontier node attends to, shape [b, n, nodes so far]."""
        return self._mask

    def grow(self, support: IntArray, log_q: FloatArray) -> None:
        """Add a level.

        Args:
            support: token ids the draft may propose after each frontier node, shape [b, n, m].
            log_q: their log-probabilities, shape [b, n, m]; normalised over m.

        Raises:
            NonFiniteLogits: a row has NaN, or no token with probability.
        """
        alive = np.isfinite(self._phi[-1])
        if np.isnan(log_q).any() or not np.isfinite(log_q.max(axis=-1))[alive].all():
            raise NonFiniteLogits(
                f"the draft model's logits at level {self.level} hold NaN or no finite entry: check the draft"
                " checkpoint and its dtype"
            )
        self._support.append(support)
        self._support_log_q.append(log_q)
        picks = self._pick(log_q)
        parent, slot = picks.parent, picks.slot
        batch = np.arange(len(self._generators))[:, None]
        self._tokens.append(support[batch, parent, slot])
        self._parents.append(parent + self._start)
        self._slots.append(slot)
        chosen = log_q[batch, parent, slot]
        self._log_q.append(np.where(np.isfinite(picks.phi), chosen, -np.inf))
        self._phi.append(picks.phi)
        self._perturbed.append(picks.perturbed)
        self._above = self._start
        self._start += log_q.shape[1]
        above = self._mask[batch, parent]
        itself = np.broadcast_to(np.eye(parent.shape[1], dtype=np.bool_), (*parent.shape, parent.shape[1]))
        self._mask = np.concatenate([above, itself], axis=-1)

    def trees(self) -> list[Tree]:
        """The tree of each request."""
        widths = [tokens.shape[1] for tokens in self._tokens]
        depths = np.repeat(np.arange(len(widths)), widths)
        tokens, parents, slots = (np.concatenate(part, axis=1) for part in (self._tokens, self._parents, self._slots))
        log_q, perturbed = (np.concatenate(part, axis=1) for part in (self._log_q, self._perturbed))
        support = np.concatenate(self._support, axis=1)
        support_log_q = np.concatenate(self._support_log_q, axis=1)
        return [
            Tree(
                self.shape,
                tokens[i],
                parents[i],
                depths,
                slots[i],
                log_q[i],
                perturbed[i],
                support[i],
                support_log_q[i],
            )
            for i in range(len(self._generators))
        ]

    def _pick(self, log_q: FloatArray) -> Picks:
        phi, width = self._phi[-1], self.shape.widths[self.level]
        match self.shape.kind:
            case "rsd-s":
                return self._beam(log_q, phi, width)
            case "rsd-c":
                return gumbel_top_k(log_q, phi, self._gumbel(log_q.shape), self.shape.branching[self.level])
            case _:
                draws = width // log_q.shape[1]
                rows = np.repeat(log_q, draws, axis=1)
                picks = independent(rows, np.repeat(phi, draws, axis=1), self._gumbel(rows.shape))
                return picks._replace(parent=picks.parent // draws)

    def _beam(self, log_q: FloatArray, phi: FloatArray, width: int) -> Picks:
        gumbel = self._gumbel(log_q.shape)
        sampled = beam_step(log_q, phi, self._perturbed[-1], gumbel, width)
        cold = np.array([generator is None for generator in self._generators])
        if not cold.any():
            return sampled
        # Without noise the conditioned maximum would be the root's value for every first child: rank by phi instead.
        plain = beam_step(log_q, phi, self._perturbed[-1], None, width)
        return Picks(*(np.where(cold[:, None], a, b) for a, b in zip(plain, sampled, strict=True)))

    def _gumbel(self, shape: tuple[int, ...]) -> FloatArray:
        noise = np.zeros(shape)
        for row, generator in zip(noise, self._generators, strict=True):
            if generator is not None:
                row[...] = generator.gumbel(size=shape[1:])
        return noise
