"""Attention over a paged cache with trees in it, in torch alone."""

from __future__ import annotations

import itertools

import torch
from torch.nn.functional import scaled_dot_product_attention

from agentrt.serving.rsd.vllm_plugin.stage import Stage


def write_slots(cache: torch.Tensor, key: torch.Tensor, value: torch.Tensor, slots: torch.Tensor) -> None:
    """Write keys and values, [tokens, heads, size], to `slots` of `cache`; slots below 0 are padding."""
    size = cache.shape[2]
    there = slots >= 0
    slots, count = slots[there], len(slots)
    cache[slots // size, :, slots % size] = torch.cat([key[:count][there], value[:count][there]], dim=-1)


def paged_attention(
    query: torch.Tensor,
    cache: torch.Tensor,
    output: torch.Tensor,
    starts: list[int],
    lengths: list[int],
    blocks: torch.Tensor,
    scale: float,
    stage: Stage,
) -> None:
    """Attention of all requests of a pass.

    Args:
        query: shape [tokens, heads, size]; output: the same shape, written.
        cache: shape [blocks, key heads, slots, 2 x size].
        starts: first token of each request, and the end; shape [requests + 1].
        lengths: keys of each request, its own new ones included.
        blocks: block table, shape [requests, most blocks].
        scale: factor of the logits.
        stage: the pass's trees.
    """
    slots, size = cache.shape[2], query.shape[-1]
    for row, (first, end) in enumerate(itertools.pairwise(starts)):
        new, length = end - first, lengths[row]
        if not new:
            continue
        pages = cache[blocks[row, : -(-length // slots)].long()].transpose(0, 1).flatten(1, 2)[:, :length]
        keys, values = pages[..., :size], pages[..., size:]
        mask = None
        if new > 1:
            mask = torch.ones(new, length, dtype=torch.bool)
            mask[:, length - new :] = stage.mask[first:end, :new] if stage.trees.get(first) == new else _causal(new)
        output[first:end] = scaled_dot_product_attention(
            query[first:end].transpose(0, 1)[None],
            keys[None],
            values[None],
            attn_mask=mask,
            scale=scale,
            enable_gqa=True,
        )[0].transpose(0, 1)


def _causal(size: int) -> torch.Tensor:
    return torch.ones(size, size, dtype=torch.bool).tril_()


def move_slots(cache: torch.Tensor, source: torch.Tensor, to: torch.Tensor) -> None:
    """Copy cache slots; all are read before any is written.

    Args:
        cache: shape [blocks, heads, slots, size]; CPU and CUDA caches look alike through their strides.
        source, to: slot numbers over the whole cache, shape [n].
    """
    size = cache.shape[2]
    cache[to // size, :, to % size] = cache[source // size, :, source % size].clone()
