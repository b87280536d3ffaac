"""The output distribution is the target's: chi-square on real tables, for every sampler with every verifier."""

from __future__ import annotations

import numpy as np
import pytest
from table_models import TablePair, chi_square, smollm2_tables

from agentrt.serving.rsd.baselines import WithReplacement
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.traversal import TraversalVerification
from agentrt.serving.rsd.verify import RecursiveRejection, Verifier

FAMILY_ERROR = 0.001
"""Chance that a whole family of tests of an exact method fails; each test's own level is this over their number."""

RECURSIVE, TRAVERSAL = RecursiveRejection(), TraversalVerification()
COMBINATIONS: list[tuple[TreeShape, Verifier]] = [
    (TreeShape.chain(3), RECURSIVE),
    (TreeShape.chain(3), TRAVERSAL),
    (TreeShape.iid(3, 2), RECURSIVE),
    (TreeShape.iid(3, 2), TRAVERSAL),
    (TreeShape.kseq(3, 2), RECURSIVE),
    (TreeShape.kseq(3, 2), TRAVERSAL),
    (TreeShape.rsd_c(3, 1, 1), RECURSIVE),
    (TreeShape.rsd_c(3, 1, 1), TRAVERSAL),
    (TreeShape.rsd_c(2, 2), RECURSIVE),
    (TreeShape.rsd_c(2, 2), TRAVERSAL),
    (TreeShape.rsd_s(3, 2), RECURSIVE),
    (TreeShape.rsd_s(3, 2), TRAVERSAL),
    (TreeShape.rsd_s(4, 3), RECURSIVE),
    (TreeShape.rsd_s(4, 3), TRAVERSAL),
]


def name(value: object) -> str:
    return str(value) if isinstance(value, TreeShape) else type(value).__name__


@pytest.mark.parametrize(("shape", "verifier"), COMBINATIONS, ids=name)
def test_three_tokens_follow_the_target(shape: TreeShape, verifier: Verifier) -> None:
    pair = smollm2_tables()[0]
    seen, _ = pair.counts(shape, verifier, rounds=1200, seed=11)
    assert chi_square(seen, pair.joint()) > FAMILY_ERROR / len(COMBINATIONS)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("shape", "verifier"), COMBINATIONS, ids=name)
def test_three_tokens_follow_the_target_over_seeds_and_prompts(shape: TreeShape, verifier: Verifier) -> None:
    tables, seeds = smollm2_tables(), (1, 2, 3, 4)
    level = FAMILY_ERROR / (len(COMBINATIONS) * len(tables) * len(seeds))
    for pair in tables:
        for seed in seeds:
            seen, _ = pair.counts(shape, verifier, rounds=20_000, seed=seed)
            assert chi_square(seen, pair.joint()) > level, (shape, verifier, seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_replacement_rule_on_drafts_without_replacement_fails(seed: int) -> None:
    pair = smollm2_tables()[0]
    seen, _ = pair.counts(TreeShape.rsd_c(3, 1, 1), RecursiveRejection(WithReplacement), rounds=2500, seed=seed)
    assert chi_square(seen, pair.joint()) < 1e-6


@pytest.mark.parametrize("shape", [TreeShape.rsd_c(3, 1, 1), TreeShape.rsd_s(3, 2)], ids=str)
def test_most_probable_children_treated_as_sampled_fail(shape: TreeShape) -> None:
    pair = smollm2_tables()[0]
    rounds = 2500
    context: list[list[int]] = [[] for _ in range(rounds)]
    trees = pair.grow(shape, context, [None] * rounds)
    seen = np.zeros(pair.size)
    for i, tree in enumerate(trees):
        rng = np.random.default_rng([5, i])
        seen[RECURSIVE.verify(tree, pair.target(tree, []), rng).tokens(tree)[0]] += 1
    assert chi_square(seen, pair.p[0]) < 1e-6


@pytest.mark.parametrize(("shape", "verifier"), COMBINATIONS, ids=name)
def test_zero_probabilities_never_come_out(shape: TreeShape, verifier: Verifier) -> None:
    rng = np.random.default_rng(3)
    p, q = rng.dirichlet(np.ones(5), 31), rng.dirichlet(np.ones(5), 31)
    p[:, 1], q[:, 3] = 0.0, 0.0
    p[7], q[9] = np.eye(5)[2], np.eye(5)[4]
    pair = TablePair(p, q)
    seen, _ = pair.counts(shape, verifier, rounds=600, seed=2)
    assert chi_square(seen, pair.joint()) > FAMILY_ERROR / len(COMBINATIONS)


@pytest.mark.parametrize(("shape", "verifier"), COMBINATIONS, ids=name)
def test_one_hot_target_accepts_its_own_sequence(shape: TreeShape, verifier: Verifier) -> None:
    """Temperature 0: whatever the draft says, the text is the target's argmax."""
    rng = np.random.default_rng(4)
    p = np.eye(5)[rng.integers(0, 5, 31)]
    pair = TablePair(p, rng.dirichlet(np.ones(5), 31))
    seen, _ = pair.counts(shape, verifier, rounds=50, seed=2)
    assert seen[int(pair.joint().argmax())] == 50
