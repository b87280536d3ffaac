"""A draft model at work: it reads what is new of each text and grows a tree for it, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from agentrt.serving.rsd.growth import Growth
from agentrt.serving.rsd.logits import draft_support
from agentrt.serving.rsd.model import TreeModel
from agentrt.serving.rsd.sampling import IntArray, count
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.tree import Tree

TOGETHER = 32
"""Unread tokens that are read in one pass with the others' last ones; more are read beforehand."""


@dataclass(frozen=True, slots=True)
class Text:
    """What the draft goes on from.

    Attributes:
        row: its row of the draft's cache.
        tokens: the text so far, shape [n]; the last one will be the tree's root.
        read: how many of them the cache holds.
        temperature: 0 for a tree of the most probable continuations.
        noise: noise source; None at temperature 0.
    """

    row: int
    tokens: IntArray
    read: int
    temperature: float
    noise: np.random.Generator | None


class Drafter:
    """Grows trees with one draft model.

    Args:
        model: the draft with its cache.
        support: tokens of its distribution that are kept.
    """

    def __init__(self, model: TreeModel, support: int) -> None:
        self.model = model
        self._support = support

    def grow(self, shape: TreeShape, texts: Sequence[Text]) -> list[Tree]:
        """A tree for each text, one pass of the draft a level.

        Afterwards the cache holds the whole text, and node i of the tree at slot len(text) - 1 + i, but for the
        nodes of the last level, which the draft never reads.

        Raises:
            NonFiniteLogits: the draft's logits hold NaN.
        """
        model = self.model
        rows = np.array([text.row for text in texts], dtype=np.int64)
        heat = np.array([text.temperature for text in texts])
        growth = Growth(shape, [int(text.tokens[-1]) for text in texts], [text.noise for text in texts])
        lengths: IntArray = np.array([len(text.tokens) for text in texts], dtype=np.int64)
        logits = self._catch_up(rows, texts, lengths)
        while True:
            growth.grow(*draft_support(logits, self._support, heat))
            if growth.done:
                return growth.trees()
            tokens, among = growth.frontier, growth.frontier_mask[:, :, 1:]
            nodes, width = among.shape[-1], tokens.shape[1]
            slots = lengths[:, None] + count(nodes, nodes - width)
            span = model.span(int(lengths.max()) + nodes)
            visible = np.broadcast_to(np.arange(span) < lengths[:, None, None], (len(texts), width, span)).copy()
            batch, node = count(len(texts))[:, None, None], count(width)[:, None]
            visible[batch, node, lengths[:, None, None] + np.arange(nodes)] = among
            positions = np.broadcast_to(lengths[:, None] - 1 + growth.level, tokens.shape)
            logits = model.forward(rows, tokens, positions, slots, visible)

    def _catch_up(self, rows: IntArray, texts: Sequence[Text], lengths: IntArray) -> torch.Tensor:
        """Feed the draft what it has not read; in a running text that is the last token and an accepted leaf."""
        model = self.model
        read = np.array([text.read for text in texts])
        for i, text in enumerate(texts):
            if lengths[i] - read[i] > TOGETHER:
                model.prefill(text.row, text.tokens[:-1], text.read)
                read[i] = lengths[i] - 1
        unread = int((lengths - read).max())
        tokens = np.zeros((len(texts), unread), dtype=np.int64)
        slots = np.full_like(tokens, model.cache.scratch)
        positions = np.zeros_like(tokens)
        for i, text in enumerate(texts):
            new = count(int(lengths[i]), int(read[i]))
            tokens[i, unread - len(new) :] = text.tokens[new]
            slots[i, unread - len(new) :] = positions[i, unread - len(new) :] = new
        # Padding looks at slot 0, which is always written: a row that sees nothing would turn into NaN.
        visible = np.arange(model.span(int(lengths.max()))) <= positions[..., None]
        return model.forward(rows, tokens, positions, slots, visible, keep=1)


def moves(base: IntArray, paths: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray] | None:
    """Where accepted nodes stand in a cache and where they belong; None when nothing was accepted.

    Node i stands at slot base + i; the j-th accepted node belongs at base + j.

    Args:
        base: slot of each tree's root, shape [b].
        paths: accepted nodes of each tree.

    Returns:
        Source and destination slots, shape [b, longest path] each; shorter paths end with slots moved onto themselves.
    """
    depth = max(map(len, paths), default=0)
    if not depth:
        return None
    to = base[:, None] + count(depth + 1, 1)
    source = to.copy()
    for row, path in enumerate(paths):
        source[row, : len(path)] = base[row] + np.array(path, dtype=np.int64)
    return source, to
