"""From a model's logits to the distributions that drafting and verification work on."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from agentrt.serving.rsd.errors import NonFiniteLogits
from agentrt.serving.rsd.request import Sampling
from agentrt.serving.rsd.sampling import FloatArray, IntArray, count
from agentrt.serving.rsd.target import inverse_transform, last_nonzero

CHUNK = 64
"""Neighbouring tokens whose maximum is looked at first: the m largest of a row lie in m of these chunks."""

BLOCK = 128
"""Tokens whose weights are summed together, so that a draw need not run over the whole vocabulary."""

FIRST_LOOK = 1024
"""Tokens sorted before a whole vocabulary is: nearly every nucleus (top-p) ends within them."""


def draft_support(logits: torch.Tensor, size: int, temperatures: FloatArray) -> tuple[IntArray, FloatArray]:
    """The draft's distribution over its `size` most probable tokens.

    Any q leaves the output exact, so cutting its tail is free of error, and all that follows costs O(size) instead of
    O(vocabulary).

    Args:
        logits: shape [b, n, vocabulary].
        size: tokens to keep.
        temperatures: shape [b]; 0 counts as 1 (the order of tokens is all that matters then).

    Returns:
        Token ids and normalised log-probabilities, shape [b, n, size] each.
    """
    values, ids = _largest(logits.reshape(-1, logits.shape[-1]), min(size, logits.shape[-1]))
    shape = (*logits.shape[:2], ids.shape[-1])
    heat = np.where(temperatures > 0, temperatures, 1.0)[:, None, None]
    scaled = values.reshape(shape) / heat
    top = scaled.max(axis=-1, keepdims=True)
    scaled = scaled - np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return ids.reshape(shape), scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


def _largest(rows: torch.Tensor, size: int) -> tuple[FloatArray, IntArray]:
    vocabulary = rows.shape[-1]
    chunks = vocabulary // CHUNK
    if rows.device.type != "cpu" or chunks < 4 * size:
        values, ids = rows.float().topk(size, dim=-1)
        return values.double().cpu().numpy(), ids.cpu().numpy()
    # One pass over memory for the chunks' maxima: the size-th largest of them is a floor under the entries sought,
    # and only the chunks that reach it are looked into, those of all rows together.
    chunked = rows[:, : chunks * CHUNK].float().reshape(len(rows), chunks, CHUNK)
    maxima: FloatArray = chunked.amax(dim=-1).numpy()
    body: FloatArray = chunked.reshape(-1, CHUNK).numpy()
    floors = np.partition(maxima, chunks - size, axis=-1)[:, chunks - size, None]
    # NaN reaches no floor, and too few entries would be found: it is taken as it is, for the caller to see.
    reached: IntArray = np.flatnonzero(~(maxima < floors))
    line = reached // chunks
    inside = body.take(reached, axis=0)
    hit: IntArray = np.flatnonzero(~(inside < floors.take(line, axis=0)))
    chunk = hit // CHUNK
    values, line, ids = inside.ravel()[hit], line[chunk], (reached % chunks)[chunk] * CHUNK + hit % CHUNK
    if chunks * CHUNK < vocabulary:
        tail = rows[:, chunks * CHUNK :].float().numpy()
        row, place = np.nonzero(~(tail < floors))
        values, line = np.append(values, tail[row, place]), np.append(line, row)
        ids = np.append(ids, chunks * CHUNK + place)
    order = np.lexsort((-values, line))
    firsts: IntArray = line[order].searchsorted(count(len(rows)))
    best = order[firsts[:, None] + count(size)]
    return values[best].astype(np.float64), ids[best]


class LogitsRows:
    """Target rows from logits, computed only for the nodes a verifier visits.

    Args:
        logits: the target's logits at every node of one tree, shape [nodes, vocabulary].
        sampling: temperature, top-k and top-p, applied in this order.
    """

    def __init__(self, logits: torch.Tensor, sampling: Sampling) -> None:
        self._logits = logits
        self._sampling = sampling
        self._rows: dict[int, _Row] = {}

    def probabilities(self, node: int, tokens: IntArray) -> FloatArray:
        """See `TargetRows.probabilities`."""
        return self._row(node).probabilities(tokens)

    def sample_outside(self, node: int, tokens: IntArray, uniform: float) -> int:
        """See `TargetRows.sample_outside`."""
        return self._row(node).sample_outside(tokens, uniform)

    def logprob(self, node: int, token: int) -> float:
        """log p(token | node) before temperature and truncation."""
        row = self._logits[node].float()
        return float(row[token] - torch.logsumexp(row, dim=-1))

    def _row(self, node: int) -> _Row:
        if node not in self._rows:
            self._rows[node] = _row(self._logits[node], self._sampling)
        return self._rows[node]


class _Row(Protocol):
    """One distribution; its methods are those of `TargetRows` without the node."""

    def probabilities(self, tokens: IntArray) -> FloatArray: ...

    def sample_outside(self, tokens: IntArray, uniform: float) -> int: ...


class _WholeRow:
    """A distribution over the whole vocabulary.

    Args:
        weights: the probabilities, shape [vocabulary].
    """

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._weights = weights

    def probabilities(self, tokens: IntArray) -> FloatArray:
        return self._weights[tokens].astype(np.float64)

    def sample_outside(self, tokens: IntArray, uniform: float) -> int:
        weights = self._weights
        best = int(tokens[weights[tokens].argmax()]) if len(tokens) else 0
        # A row is drawn from once, at the end of a round: what is taken out need not be put back.
        weights[tokens] = 0.0
        # Inverse transform in two steps, over blocks and within one: a running sum over the vocabulary is slower.
        sums = np.add.reduceat(weights, count(len(weights))[::BLOCK], dtype=np.float64)
        running: FloatArray = np.cumsum(sums)
        if not running[-1]:
            return best
        goal = uniform * float(running[-1])
        block = min(int(running.searchsorted(goal, side="right")), last_nonzero(sums))
        rest = (goal - float(running[block] - sums[block])) / float(sums[block])
        inside = weights[block * BLOCK : (block + 1) * BLOCK].astype(np.float64)
        return block * BLOCK + inverse_transform(inside, min(max(rest, 0.0), 1.0))


class _ShortRow:
    """A distribution over a few tokens; all others have probability zero.

    Args:
        weights: proportional to the probabilities, shape [k].
        tokens: the tokens, shape [k].
    """

    def __init__(self, weights: FloatArray, tokens: IntArray) -> None:
        order = np.argsort(tokens)
        self._tokens, self._weights = tokens[order], weights[order]
        self._total = float(weights.sum())

    def probabilities(self, tokens: IntArray) -> FloatArray:
        place = self._tokens.searchsorted(tokens).clip(max=len(self._tokens) - 1)
        return np.where(self._tokens[place] == tokens, self._weights[place], 0.0) / self._total

    def sample_outside(self, tokens: IntArray, uniform: float) -> int:
        weights = np.where(np.isin(self._tokens, tokens), 0.0, self._weights)
        if not weights.any():
            return int(self._tokens[self._weights.argmax()])
        return int(self._tokens[inverse_transform(weights, uniform)])


def _row(logits: torch.Tensor, sampling: Sampling) -> _Row:
    row = logits.float()
    if sampling.temperature > 0 and not sampling.top_k and sampling.top_p == 1:
        # The maximum goes first: of large quotients nothing would be left behind the point.
        heated = row if sampling.temperature == 1 else (row - row.max()) / sampling.temperature
        # One fused pass; a single NaN, or no finite entry, makes every probability NaN.
        weights: npt.NDArray[np.float32] = torch.softmax(heated, dim=-1).cpu().numpy()
        if math.isnan(weights[0]):
            raise _not_finite()
        return _WholeRow(weights)
    top = float(row.max())
    if not math.isfinite(top):
        raise _not_finite()
    if sampling.temperature == 0:
        return _ShortRow(np.ones(1), np.array([int(row.argmax())]))
    return _truncated(row, top, sampling)


def _not_finite() -> NonFiniteLogits:
    return NonFiniteLogits(
        "the target model's logits hold NaN or no finite entry: check the checkpoint and its dtype (float16 overflows)"
    )


def _truncated(row: torch.Tensor, top: float, sampling: Sampling) -> _Row:
    everything = len(row)
    kept = min(sampling.top_k or everything, everything)
    total = math.inf
    if kept == everything:
        total = float(((row - top) / sampling.temperature).exp_().sum(dtype=torch.float64))
    for size in (min(FIRST_LOOK, kept), kept):
        values, ids = row.topk(size)
        weights = ((values.double() - top) / sampling.temperature).exp().cpu().numpy()
        whole = float(weights.sum()) if size == kept else total
        before = np.cumsum(weights) - weights
        if size == kept or (math.isfinite(whole) and before[-1] >= sampling.top_p * whole):
            break
    # A token stays if those before it do not yet hold top_p: the one that crosses the line belongs to the nucleus.
    keep = max(int((before < sampling.top_p * whole).sum()), 1)
    return _ShortRow(weights[:keep], ids[:keep].cpu().numpy())
