"""Tree shapes, samplers and flat trees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.serving.rsd.errors import InvalidTree, NonFiniteLogits
from agentrt.serving.rsd.growth import Growth
from agentrt.serving.rsd.sampling import beam_step, condition_on_maximum, gumbel_top_k
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.target import DenseRows, inverse_transform
from agentrt.serving.rsd.tree import Tree

SHAPES = st.one_of(
    st.integers(1, 12).map(TreeShape.chain),
    st.builds(TreeShape.iid, st.integers(1, 5), st.integers(1, 5)),
    st.builds(TreeShape.kseq, st.integers(1, 5), st.integers(1, 5)),
    st.builds(TreeShape.rsd_s, st.integers(1, 5), st.integers(1, 5)),
    st.lists(st.integers(1, 3), min_size=1, max_size=4).map(lambda b: TreeShape.rsd_c(*b)),
)


def grown(shape: TreeShape, seed: int, vocabulary: int = 6, batch: int = 2) -> list[Tree]:
    rng = np.random.default_rng(seed)
    growth = Growth(shape, [0] * batch, [np.random.default_rng([seed, i]) for i in range(batch)])
    while not growth.done:
        rows = np.log(rng.dirichlet(np.ones(vocabulary), growth.frontier.shape))
        growth.grow(np.broadcast_to(np.arange(vocabulary), rows.shape), rows)
    return growth.trees()


@given(SHAPES)
def test_a_shape_reads_back_from_its_text(shape: TreeShape) -> None:
    assert TreeShape.parse(str(shape)) == shape


@given(st.text(max_size=20))
def test_any_text_is_a_shape_or_a_clear_error(text: str) -> None:
    try:
        shape = TreeShape.parse(text)
    except InvalidTree as error:
        assert len(str(error)) > 20
    else:
        assert 1 <= shape.nodes <= 512


@pytest.mark.parametrize(
    "text",
    ["", "chain", "chain:0", "chain:-1", "rsd-s:3", "rsd-s:0x4", "rsd-c:3--1", "rsd-c:9-9-9-9", "tree:3x4", "chain:٣"],
)
def test_malformed_and_oversized_shapes_are_refused(text: str) -> None:
    with pytest.raises(InvalidTree):
        TreeShape.parse(text)


@given(SHAPES, st.integers(0, 1000))
def test_levels_siblings_and_ancestors_are_consistent(shape: TreeShape, seed: int) -> None:
    for tree in grown(shape, seed):
        assert len(tree) <= shape.nodes + 1
        assert list(tree.depths) == sorted(tree.depths)
        mask = tree.ancestor_mask()
        for node in range(1, len(tree)):
            parent = int(tree.parents[node])
            assert parent < node
            assert tree.depths[node] == tree.depths[parent] + 1
            assert tree.support[parent, tree.slots[node]] == tree.tokens[node]
            assert set(np.flatnonzero(mask[node])) == {*np.flatnonzero(mask[parent]), node}
        if shape.kind in ("rsd-c", "rsd-s"):
            for kids in tree.children():
                assert len({int(tree.tokens[kid]) for kid in kids}) == len(kids)
                assert all(tree.perturbed[a] >= tree.perturbed[b] for a, b in itertools.pairwise(kids))


@given(SHAPES, st.integers(0, 100), st.integers(1, 40))
def test_every_prefix_of_a_tree_is_a_tree(shape: TreeShape, seed: int, nodes: int) -> None:
    cut = grown(shape, seed)[0].cut(nodes)
    assert all(parent < len(cut) for parent in cut.parents)
    assert cut.ancestor_mask().shape == (len(cut), len(cut))


def test_one_hot_and_zero_rows_give_one_live_child_and_no_nan() -> None:
    row = np.array([[-np.inf, 0.0, -np.inf, -np.inf]])
    noise = np.random.default_rng(0).gumbel(size=row.shape)
    for picks in (
        gumbel_top_k(row, np.zeros(1), noise, 3),
        beam_step(row, np.zeros(1), np.zeros(1), noise, 3),
    ):
        assert picks.slot[0] == 1
        assert np.isfinite(picks.phi).tolist() == [True, False, False]
        assert not np.isnan(picks.perturbed).any()


def test_padding_is_nobodys_child() -> None:
    growth = Growth(TreeShape.rsd_s(3, 2), [7], [np.random.default_rng(0)])
    while not growth.done:
        rows = np.full((1, growth.frontier.shape[1], 4), -np.inf)
        rows[..., 2] = 0.0
        growth.grow(np.broadcast_to(np.arange(4), rows.shape), rows)
    (tree,) = growth.trees()
    assert sum(map(len, tree.children())) == 2
    assert not np.isnan(tree.support_log_q).any()


@given(st.integers(0, 200))
def test_conditioned_gumbels_keep_their_order_and_reach_the_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, maximum = rng.gumbel(size=(3, 8)) * 10, rng.gumbel(size=3) * 10
    moved = condition_on_maximum(values, maximum)
    assert np.allclose(moved.max(axis=1), maximum)
    assert (np.diff(np.take_along_axis(moved, np.argsort(values, axis=1), axis=1)) >= 0).all()


def test_a_request_draws_the_same_tree_whoever_shares_its_batch() -> None:
    shape, rows = TreeShape.rsd_s(2, 2), np.log(np.random.default_rng(1).dirichlet(np.ones(5), 2))

    def tree(seeds: list[int]) -> Tree:
        growth = Growth(shape, [0] * len(seeds), [np.random.default_rng(seed) for seed in seeds])
        for level in range(2):
            width = growth.frontier.shape[1]
            log_q = np.broadcast_to(rows[level], (len(seeds), width, 5))
            growth.grow(np.broadcast_to(np.arange(5), log_q.shape), log_q)
        return growth.trees()[-1]

    assert tree([3]).tokens.tolist() == tree([8, 9, 3]).tokens.tolist()


def test_temperature_zero_takes_the_most_probable_sequences() -> None:
    rows = np.log(np.array([[0.6, 0.3, 0.1]]))
    growth = Growth(TreeShape.rsd_s(2, 2), [0, 0], [None, np.random.default_rng(0)])
    while not growth.done:
        log_q = np.broadcast_to(rows, (2, growth.frontier.shape[1], 3))
        growth.grow(np.broadcast_to(np.arange(3), log_q.shape), log_q)
    tree = growth.trees()[0]
    assert tree.tokens.tolist() == [0, 0, 1, 0, 0]
    assert tree.parents.tolist() == [-1, 0, 0, 1, 2]


def test_nan_from_the_draft_and_from_the_target_are_named() -> None:
    growth = Growth(TreeShape.chain(2), [0], [np.random.default_rng(0)])
    with pytest.raises(NonFiniteLogits, match="draft"):
        growth.grow(np.arange(3)[None, None], np.array([[[0.0, np.nan, 0.0]]]))
    with pytest.raises(NonFiniteLogits, match="target"):
        DenseRows(np.array([[np.nan, 1.0]]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda w: sum(w) > 1e-3), st.floats(0, 1))
def test_inverse_transform_never_returns_a_zero(weights: list[float], uniform: float) -> None:
    assert weights[inverse_transform(np.array(weights), uniform)] > 0
