"""Verification: which path of a draft tree stands, and which token follows it, so that the text is the target's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agentrt.serving.rsd.baselines import KSequential, WithReplacement
from agentrt.serving.rsd.rules import Residual, SiblingRule, WithoutReplacement
from agentrt.serving.rsd.sampling import IntArray
from agentrt.serving.rsd.target import TargetRows, inverse_transform
from agentrt.serving.rsd.tree import Tree

NO_TOKENS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one round.

    Attributes:
        path: accepted nodes from level 1 down; may be empty.
        token: the token drawn after the last accepted node (or after the root).
    """

    path: tuple[int, ...]
    token: int

    def tokens(self, tree: Tree) -> list[int]:
        """What the round adds to the text: the path's tokens and the extra one."""
        return [*(int(tree.tokens[node]) for node in self.path), self.token]


class Verifier(Protocol):
    """Decides a round."""

    def verify(self, tree: Tree, target: TargetRows, generator: np.random.Generator) -> Verdict:
        """Accept a path of `tree` and draw the token after it.

        The returned tokens are distributed as if drawn from the target one by one.
        """
        ...


class RecursiveRejection:
    """From the root downwards: try a node's children in drawing order, descend into the first accepted one.

    Jeon et al. 2024 (arXiv 2402.14160), algorithm 2, for trees drawn without replacement; the recursion of SpecInfer
    and of K-SEQ for their draws with replacement, where equal siblings share one place in the text, so the children
    of all of them are tried.

    Args:
        rule: the sibling rule; by default the one that belongs to the tree's kind. Any other rule is not exact.
    """

    def __init__(self, rule: SiblingRule | None = None) -> None:
        self._rule = rule

    def verify(self, tree: Tree, target: TargetRows, generator: np.random.Generator) -> Verdict:
        """See `Verifier.verify`."""
        rule = self._rule or RULES[tree.shape.kind]
        children = tree.children()
        node, here, path = 0, [0], list[int]()
        while kids := [kid for twin in here for kid in children[twin]]:
            support = tree.support[node]
            trial = rule(target.probabilities(node, support), np.exp(tree.support_log_q[node]), len(kids))
            for kid in kids:
                slot = int(tree.slots[kid])
                if generator.random() < trial.acceptance(slot):
                    break
                trial.reject(slot)
            else:
                return Verdict(tuple(path), draw(target, node, support, trial.finish(), generator))
            token = tree.tokens[kid]
            here = [twin for twin in kids if tree.tokens[twin] == token]
            node = kid
            path.append(kid)
        return Verdict(tuple(path), target.sample_outside(node, NO_TOKENS, generator.random()))


RULES: dict[str, SiblingRule] = {
    "chain": WithoutReplacement,
    "rsd-c": WithoutReplacement,
    "rsd-s": WithoutReplacement,
    "iid": WithReplacement,
    "kseq": KSequential,
}
"""The sibling rule that is exact for each kind of tree."""


def draw(target: TargetRows, node: int, support: IntArray, left: Residual, generator: np.random.Generator) -> int:
    """A token from a residual distribution at `node`."""
    inside = float(left.inside.sum())
    if generator.random() * (inside + left.tail) < inside:
        return int(support[inverse_transform(left.inside, generator.random())])
    return target.sample_outside(node, support, generator.random())
