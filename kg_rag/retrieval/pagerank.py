"""Personalised PageRank over the undirected graph (Haveliwala 2002; as a ranking for retrieval: HippoRAG, 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kg_rag.graph import Scores
from kg_rag.store.port import GraphStore

_WHOLE_SWEEP = 0.25


def personalised_pagerank(
    store: GraphStore, seeds: Mapping[int, float], *, damping: float = 0.5, tolerance: float = 1e-3
) -> Scores:
    """The stationary distribution of a walk that returns to `seeds` with probability `1 - damping` at each step.

    Power iteration in its residual form: `p` collects what the walk has settled, `r` what is still moving, and
    `p + r` always sums to 1. While few nodes hold what moves, only their edges are touched.

    Args:
        store: the graph.
        seeds: node index to weight; weights need not sum to 1.
        damping: probability of going on; small values stay near the seeds.
        tolerance: stop when what is still moving is less than this (an L1 bound on the error).

    Returns:
        One score a node, summing to 1 within `tolerance`.
    """
    nodes = store.info.nodes
    settled = np.zeros(nodes)
    moving = np.zeros(nodes)
    total = float(sum(seeds.values()))
    if not seeds or total <= 0:
        return settled
    for seed, weight in seeds.items():
        moving[seed] += weight / total
    degrees = store.degrees(np.arange(nodes)).astype(np.float64)
    alone = degrees == 0
    degrees[alone] = 1.0
    entries = float(2 * store.info.edges)
    while moving.sum() > tolerance:
        settled += (1 - damping) * moving
        # A walk at a node without edges has nowhere to go and stays.
        settled[alone] += damping * moving[alone]
        moving[alone] = 0.0
        share = damping * moving / degrees
        active = np.flatnonzero(share)
        if degrees[active].sum() > _WHOLE_SWEEP * entries:
            moving = store.sweep(share)
        else:
            found = store.around(active)
            moving = np.bincount(found.neighbours, weights=share[active][found.origins], minlength=nodes)
    return settled + moving
