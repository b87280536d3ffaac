"""Draft and target as probability tables: exactness can be tested there against the joint distribution itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from agentrt.serving.rsd.growth import Growth
from agentrt.serving.rsd.sampling import FloatArray
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.target import DenseRows
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.verify import Verifier

DEPTH = 3
"""Tokens whose joint distribution is compared."""


class TablePair:
    """p and q over a small vocabulary after every context of up to two tokens; later contexts use the last two."""

    def __init__(self, p: FloatArray, q: FloatArray) -> None:
        self.p = p / p.sum(axis=1, keepdims=True)
        self.q = q / q.sum(axis=1, keepdims=True)
        self.size = p.shape[1]

    def row(self, context: Sequence[int]) -> int:
        size, context = self.size, context[-2:]
        return [0, 1, 1 + size][len(context)] + int(sum(t * size**i for i, t in enumerate(reversed(context))))

    def joint(self) -> FloatArray:
        """Probability of every sequence of DEPTH tokens."""
        sequences = itertools.product(range(self.size), repeat=DEPTH)
        return np.array([np.prod([self.p[self.row(s[:i]), s[i]] for i in range(DEPTH)]) for s in sequences])

    def grow(
        self, shape: TreeShape, contexts: list[list[int]], rngs: Sequence[np.random.Generator | None]
    ) -> list[Tree]:
        growth = Growth(shape, [0] * len(contexts), rngs)
        paths = [[list(c)] for c in contexts]
        while not growth.done:
            rows = np.array([[self.row(c) for c in per] for per in paths])
            with np.errstate(divide="ignore"):
                log_q = np.log(self.q[rows])
            support = np.broadcast_to(np.arange(self.size), log_q.shape)
            growth.grow(support, log_q)
            paths = [
                [per[k] + [int(t)] for k, t in zip(up, down, strict=True)]
                for per, up, down in zip(paths, growth.frontier_parents, growth.frontier, strict=True)
            ]
        return growth.trees()

    def target(self, tree: Tree, context: list[int]) -> DenseRows:
        contexts: list[list[int]] = [context]
        for node in range(1, len(tree)):
            contexts.append([*contexts[tree.parents[node]], int(tree.tokens[node])])
        return DenseRows(self.p[[self.row(c) for c in contexts]])

    def counts(self, shape: TreeShape, verifier: Verifier, rounds: int, seed: int) -> tuple[FloatArray, float]:
        """How often each sequence of DEPTH tokens came out, and the tokens of a first round on average."""
        seen = np.zeros(self.size**DEPTH)
        rngs = [np.random.Generator(np.random.SFC64([seed, i])) for i in range(rounds)]
        texts: list[list[int]] = [[] for _ in range(rounds)]
        first = 0
        while waiting := [i for i, text in enumerate(texts) if len(text) < DEPTH]:
            opening = not first
            trees = self.grow(shape, [texts[i] for i in waiting], [rngs[i] for i in waiting])
            for i, tree in zip(waiting, trees, strict=True):
                texts[i] += verifier.verify(tree, self.target(tree, texts[i]), rngs[i]).tokens(tree)
            if opening:
                first = sum(map(len, texts))
        for text in texts:
            seen[np.ravel_multi_index(text[:DEPTH], [self.size] * DEPTH)] += 1
        return seen, first / rounds


def chi_square(seen: FloatArray, expected: FloatArray) -> float:
    """p-value of `seen` against probabilities `expected`; cells expected fewer than five times are pooled."""
    wanted = expected * seen.sum()
    assert seen[wanted == 0].sum() == 0, "a sequence of probability zero came out"
    small = wanted < 5
    seen = np.append(seen[~small], seen[small].sum())
    wanted = np.append(wanted[~small], wanted[small].sum())
    if wanted[-1] == 0:
        seen, wanted = seen[:-1], wanted[:-1]
    return float(stats.chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue)


def smollm2_tables() -> list[TablePair]:
    data: dict[str, Any] = json.loads((Path(__file__).parent / "smollm2_top6.json").read_text())
    return [TablePair(np.array(t["p"]), np.array(t["q"])) for t in data["tables"]]
