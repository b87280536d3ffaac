"""Which tree: from how often each depth is accepted, and from what passes cost.

A tree of n nodes gives 1 + a1 + a1 a2 + … tokens a round, a_d being the chance that depth d is accepted once the path
has come to it, and costs one target pass over n + 1 tokens and one draft pass a level. Both are measured while the
engine runs and forgotten slowly. The choice is Thompson sampling (Thompson 1933; Russo et al. 2018, arXiv 1707.02038):
acceptances are drawn from their posteriors and the tree with the best rate under the draw is used, so a tree is tried
as often as it may still be the best one. What was accepted until now decides, never what is to come: each round stays
exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from agentrt.serving.rsd.errors import InvalidTree
from agentrt.serving.rsd.shape import TreeShape

Key: TypeAlias = tuple[str, int, int]
"""What acceptances are counted by: kind of siblings, their number (or the beam's width), depth."""

DEEP = 4
"""Depths from here on share one acceptance: few rounds come so far."""

OUTLIER = 4.0
"""A pass that took so many times its usual seconds was interrupted by something else."""


@dataclass(slots=True)
class Costs:
    """Seconds of a pass as a function of its tokens.

    Attributes:
        rate: weight of a new measurement.
        seen: running mean for each number of tokens that was measured.
    """

    rate: float = 0.1
    seen: dict[int, float] = field(default_factory=dict[int, float])

    def add(self, tokens: int, seconds: float) -> None:
        """Take a measurement in."""
        before = self.seen.get(tokens)
        if before is None:
            self.seen[tokens] = seconds
        else:
            self.seen[tokens] = before + self.rate * (min(seconds, OUTLIER * before) - before)

    def at(self, tokens: int) -> float:
        """Expected seconds: between measured numbers in a straight line, beyond the largest in proportion.

        Proportion is the most a pass can cost more: a tree that is larger than all before must promise enough for it.
        """
        if not self.seen:
            return 0.0
        places = sorted(self.seen)
        value = float(np.interp(tokens, places, [self.seen[place] for place in places]))
        return value * max(1.0, tokens / places[-1])


class TreeChooser:
    """Chooses the tree of each round.

    Args:
        budget: nodes a tree may have.
        candidates: trees to choose from; None among them is decoding without drafts. By default those of `candidates`.
        memory: rounds after which a measurement counts for a third of a new one.
        hold: rounds a choice lasts.
        seed: of the draws.

    Raises:
        InvalidTree: there is no candidate within the budget.
    """

    def __init__(
        self,
        budget: int = 16,
        candidates: Iterable[TreeShape | None] | None = None,
        *,
        memory: float = 2000.0,
        hold: int = 4,
        seed: int = 0,
    ) -> None:
        chosen = list(default_candidates(budget) if candidates is None else candidates)
        self.candidates = [shape for shape in chosen if shape is None or shape.nodes <= budget]
        if not any(self.candidates):
            raise InvalidTree(f"no tree to choose from has at most {budget} nodes: raise the budget")
        self.target, self.draft = Costs(), Costs()
        self._keys = [path_keys(shape) for shape in self.candidates]
        self._places = {key: place for place, key in enumerate(dict.fromkeys(itertools.chain(*self._keys)))}
        # Half a success and half a failure before anything was seen (Jeffreys' prior).
        self._accepted = np.zeros(len(self._places))
        self._rejected = np.zeros(len(self._places))
        self._keep = 1.0 - 1.0 / memory
        self._hold = hold
        self._left = 0
        self._current: TreeShape | None = None
        self._rng = np.random.default_rng(seed)
        # Costs first: the smallest passes and the largest, so that those between can be told.
        trees = sorted((shape for shape in self.candidates if shape is not None), key=lambda shape: shape.nodes)
        self._openers: list[TreeShape | None] = [trees[-1], trees[0], *([None] if None in self.candidates else [])]

    def choose(self, rows: int = 1) -> TreeShape | None:
        """The tree for the next round of `rows` requests; None for no drafts."""
        if self._left > 0:
            self._left -= 1
        elif self._openers:
            self._current = self._openers.pop()
        else:
            self._current = self._draw(rows)
            self._left = self._hold - 1
        return self._current

    def observe(self, shape: TreeShape, accepted: Sequence[int]) -> None:
        """Learn from a round: how many levels each request's path went down."""
        self._accepted *= self._keep
        self._rejected *= self._keep
        keys = path_keys(shape)
        for length in accepted:
            for depth, key in enumerate(keys[: length + 1]):
                if key in self._places:
                    (self._accepted if depth < length else self._rejected)[self._places[key]] += 1

    def timed(self, shape: TreeShape | None, rows: int, draft: float, target: float) -> None:
        """Learn from a round of `rows` requests: seconds of drafting, and of the target's pass with all after it."""
        self.target.add(rows * (1 + (shape.nodes if shape is not None else 0)), target)
        if shape is not None:
            # Levels cost alike until they are wide: what was measured is their mean.
            levels = drafted_from(shape)
            self.draft.add(rows * round(sum(levels) / len(levels)), draft / len(levels))

    def rate(self, shape: TreeShape | None, rows: int = 1) -> float:
        """Expected tokens a second of a tree, from the means of what was seen; 0 while nothing was timed."""
        total = self._accepted + self._rejected + 1.0
        seconds = self._seconds(shape, rows)
        return rows * self._tokens(path_keys(shape), (self._accepted + 0.5) / total) / seconds if seconds else 0.0

    def _draw(self, rows: int) -> TreeShape | None:
        sample = self._rng.beta(self._accepted + 0.5, self._rejected + 0.5)
        rates = [
            self._tokens(keys, sample) / max(self._seconds(shape, rows), 1e-9)
            for shape, keys in zip(self.candidates, self._keys, strict=True)
        ]
        return self.candidates[int(np.argmax(rates))]

    def _tokens(self, keys: Sequence[Key], acceptance: np.ndarray) -> float:
        return 1.0 + float(np.cumprod([acceptance[self._places[key]] for key in keys]).sum())

    def _seconds(self, shape: TreeShape | None, rows: int) -> float:
        if shape is None:
            return self.target.at(rows)
        drafts = sum(self.draft.at(rows * width) for width in drafted_from(shape))
        return self.target.at(rows * (shape.nodes + 1)) + drafts


def path_keys(shape: TreeShape | None) -> list[Key]:
    """What decides over each depth of a tree.

    With a fixed number of children each depth is a trial of that many siblings, whatever the tree around it: a chain
    and the lower part of `rsd-c:3-1-1` teach each other. Beams share among depths and are counted by their width.
    """
    if shape is None:
        return []
    if shape.kind in ("chain", "rsd-c"):
        return [("children", k, min(depth, DEEP)) for depth, k in enumerate(shape.branching, start=1)]
    return [(shape.kind, width, min(depth, DEEP)) for depth, width in enumerate(shape.branching, start=1)]


def drafted_from(shape: TreeShape) -> tuple[int, ...]:
    """Nodes that each level is drafted from: the root, then the level above."""
    return (1, *shape.widths[:-1])


def default_candidates(budget: int) -> list[TreeShape | None]:
    """No drafts, chains, wide first levels and beams of several proportions, within `budget` nodes."""
    chains = [TreeShape.chain(depth) for depth in (1, 2, 3, 4, 6, 8, 12)]
    heads = [TreeShape.rsd_c(k, *(1,) * depth) for k in (2, 3) for depth in (0, 2, 4)]
    heads.append(TreeShape.rsd_c(2, 2, 1))
    beams = [TreeShape.rsd_s(width, depth) for width in (2, 3, 5) for depth in (2, 3, 4, 6)]
    return [None, *(shape for shape in (*chains, *heads, *beams) if shape.nodes <= budget)]
