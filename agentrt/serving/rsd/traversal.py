"""Traversal verification: from the leaves back to the root."""

from __future__ import annotations

import numpy as np

from agentrt.serving.rsd.rules import Residual, ratio, without
from agentrt.serving.rsd.sampling import FloatArray
from agentrt.serving.rsd.target import TargetRows
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.verify import NO_TOKENS, Verdict, draw


class TraversalVerification:
    """Accept the deepest node that stands, judging whole sequences (Weng et al. 2025, arXiv 2505.12398).

    A node carries an acceptance a, 1 at the root and min(1, a p(x)/q(x)) at its child x. The first leaf is accepted
    with its a; rejected, it leaves its parent with S = sum max(a p - q, 0), p <- norm(max(a p - q, 0)),
    a <- S / (S + 1 - a), q without x (with replacement: q as it is), and the next child is tried; a node whose
    children are all gone is judged as a leaf.

    A rejected subtree has been looked at as a whole, so its shape must say nothing about the tokens of later
    subtrees. Where each node's number of children is fixed beforehand (chain, `rsd-c`, and `iid` with equal draws
    kept apart) that holds by construction. In an `rsd-s` tree the beams compete for places, and the published proof
    does not cover it; no deviation was found in 80,000 rounds, and `RecursiveRejection` stays its default verifier.
    """

    def verify(self, tree: Tree, target: TargetRows, generator: np.random.Generator) -> Verdict:
        """See `Verifier.verify`."""
        replaced = tree.shape.kind in ("iid", "kseq")
        children = tree.children()

        def visit(node: int, a: float, path: tuple[int, ...]) -> Verdict | None:
            kids = children[node]
            if not kids:
                if generator.random() >= a:
                    return None
                return Verdict(path, target.sample_outside(node, NO_TOKENS, generator.random()))
            support = tree.support[node]
            left = Residual.of(target.probabilities(node, support))
            q: FloatArray = np.exp(tree.support_log_q[node])
            for kid in kids:
                slot = int(tree.slots[kid])
                verdict = visit(kid, ratio(a * float(left.inside[slot]), float(q[slot])), (*path, kid))
                if verdict is not None:
                    return verdict
                total = left.subtract(a, q)
                a = total / (total + 1.0 - a) if total > 0.0 else 0.0
                q = q if replaced else without(q, slot)
            # Every path is rejected with certainty only above the root, whose a stays 1.
            if node and generator.random() >= a:
                return None
            return Verdict(path, draw(target, node, support, left, generator))

        verdict = visit(0, 1.0, ())
        assert verdict is not None, "the root is always accepted"
        return verdict
