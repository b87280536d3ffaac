"""Sampling children of draft nodes, batched and in log space.

Every function works on arrays with any number of leading axes. Probabilities enter as logarithms, so a zero is
minus infinity and a one-hot row is a row of minus infinities with one zero: both are handled without a NaN.
Noise is an argument: the caller owns the generators (one a request), and the functions stay pure.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
T = TypeVar("T", np.float64, np.int64)


class Picks(NamedTuple):
    """Children chosen for a level.

    Attributes:
        parent: index of the parent within the level above, shape [..., k].
        slot: index of the child's token in the parent's support, shape [..., k].
        phi: log-probability of the whole sequence from the root, shape [..., k].
        perturbed: the value by which the child was chosen; siblings come in its descending order. Shape [..., k].
    """

    parent: IntArray
    slot: IntArray
    phi: FloatArray
    perturbed: FloatArray


def count(stop: int, start: int = 0) -> IntArray:
    """The integers from `start` up to, not including, `stop`."""
    return np.arange(start, stop, dtype=np.int64)


def along(values: npt.NDArray[T], index: IntArray) -> npt.NDArray[T]:
    """`values[..., index]`, each index within its own row: what `np.take_along_axis` gives, at half its cost."""
    flat = values.reshape(-1, values.shape[-1])
    return flat[count(len(flat))[:, None], index.reshape(len(flat), index.shape[-1])].reshape(index.shape)


def largest(values: FloatArray, k: int) -> IntArray:
    """Indices of the `k` largest entries of the last axis, largest first; shape [..., k]."""
    size = values.shape[-1]
    if k == 1:
        return values.argmax(axis=-1, keepdims=True)
    if k < size:
        part = np.argpartition(values, size - k, axis=-1)[..., size - k :].astype(np.int64, copy=False)
    else:
        part: IntArray = np.broadcast_to(np.arange(size, dtype=np.int64), values.shape)
    order = np.argsort(-along(values, part), axis=-1, kind="stable")
    return along(part, order).astype(np.int64, copy=False)


def gumbel_top_k(log_q: FloatArray, phi: FloatArray, gumbel: FloatArray | None, k: int) -> Picks:
    """`k` children of every node, drawn without replacement: the top k of log q + Gumbel noise.

    Adding standard Gumbel noise to log-probabilities and taking the k largest draws k items without replacement,
    in the order in which they would have been drawn one by one (Vieira 2014; Kool et al. 2019, arXiv 1903.06059).

    Args:
        log_q: log-probabilities of each node's continuations, shape [..., n, m].
        phi: log-probability of each node's sequence, shape [..., n].
        gumbel: standard Gumbel noise of `log_q`'s shape; None takes the k most probable ones (temperature 0).
        k: children a node. Where fewer than k entries have probability, the rest come back with `phi` = -inf.

    Returns:
        Picks of shape [..., n * k], the children of one node side by side, in drawing order.
    """
    keys = log_q if gumbel is None else log_q + gumbel
    k = min(k, log_q.shape[-1])
    slot = largest(keys, k)
    nodes = log_q.shape[-2]
    flat = (*log_q.shape[:-2], nodes * k)
    parent: IntArray = np.broadcast_to(np.arange(nodes * k, dtype=np.int64) // k, flat)
    total = phi[..., None] + along(log_q, slot)
    value = along(keys, slot)
    return Picks(parent, slot.reshape(flat), total.reshape(flat), value.reshape(flat))


def independent(log_q: FloatArray, phi: FloatArray, gumbel: FloatArray | None) -> Picks:
    """One continuation of every node, each drawn on its own (with replacement): the argmax of log q + Gumbel noise.

    Args:
        log_q: shape [..., n, m]; gumbel: the same shape, or None for the most probable one; phi: shape [..., n].
    """
    return gumbel_top_k(log_q, phi, gumbel, 1)


def condition_on_maximum(perturbed: FloatArray, maximum: FloatArray) -> FloatArray:
    """Gumbels moved so that their maximum over the last axis is `maximum`, in their own order.

    Kool et al. 2019, appendix B.3, in the form that neither overflows nor cancels:
    v = T - g + log1p(-exp(g - Z));  G = T - max(0, v) - log1p(exp(-|v|)), with Z = max g and T the wanted maximum.

    Args:
        perturbed: shape [..., n, m]; entries of -inf stay -inf.
        maximum: shape [..., n].
    """
    top = perturbed.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    wanted = maximum[..., None]
    # g = Z gives log1p(-1) = -inf on purpose: v = -inf, and the largest one lands exactly on T.
    with np.errstate(divide="ignore", invalid="ignore"):
        v = wanted - perturbed + np.log1p(-np.exp(perturbed - top))
        moved = wanted - np.maximum(v, 0.0) - np.log1p(np.exp(-np.abs(v)))
    return np.where(np.isneginf(perturbed) | np.isneginf(wanted), -np.inf, moved)


def beam_step(
    log_q: FloatArray, phi: FloatArray, perturbed: FloatArray, gumbel: FloatArray | None, width: int
) -> Picks:
    """One level of stochastic beam search: the `width` best continuations over all beams.

    The sequences of all levels together are drawn without replacement (Kool et al. 2019, algorithm 1), and given
    its parent and its elder siblings a child is distributed as draft token drawn without replacement, which is
    what verification needs (Jeon et al. 2024, arXiv 2402.14160, section 3.2.2).

    Args:
        log_q: log-probabilities of each beam's continuations, shape [..., n, m].
        phi: log-probability of each beam, shape [..., n].
        perturbed: perturbed value of each beam (0 for the root), shape [..., n].
        gumbel: standard Gumbel noise of `log_q`'s shape; None makes it plain beam search (temperature 0).
        width: beams to keep.

    Returns:
        Picks of shape [..., min(width, n * m)] in descending perturbed value; dead ones have `phi` = -inf.
    """
    total = phi[..., None] + log_q
    keys = total if gumbel is None else condition_on_maximum(total + gumbel, perturbed)
    size = log_q.shape[-1]
    flat = (*log_q.shape[:-2], log_q.shape[-2] * size)
    keys = keys.reshape(flat)
    best = largest(keys, min(width, flat[-1]))
    return Picks(
        best // size,
        best % size,
        along(total.reshape(flat), best),
        along(keys, best),
    )
