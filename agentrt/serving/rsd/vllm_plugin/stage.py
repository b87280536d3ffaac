"""What the attention layers of one pass must know about its trees, token by token.

vLLM hands attention layers its own metadata and nothing of ours. The runner writes here before a pass, the layers of
the same process read here during it.
"""

from __future__ import annotations

import torch

from agentrt.serving.rsd.tree import BoolArray

NO_TREE = 2**30
"""A root further away than any key: all keys lie before it, so that only causality decides."""


class Stage:
    """Trees of the tokens of one pass, in buffers that stay where they are.

    Attributes:
        root: position in its sequence of the root of each token's tree; `NO_TREE` outside of trees. Shape [tokens].
        mask: which nodes of its tree a token attends to, the root first. Shape [tokens, nodes].
        trees: first token of each tree and its number of nodes.
    """

    def __init__(self, tokens: int = 0, nodes: int = 1, device: torch.device | str = "cpu") -> None:
        self.root = torch.full((tokens,), NO_TREE, dtype=torch.int32, device=device)
        self.mask = torch.zeros((tokens, nodes), dtype=torch.bool, device=device)
        self.trees: dict[int, int] = {}

    def clear(self) -> None:
        """No trees."""
        for first, size in self.trees.items():
            self.root[first : first + size] = NO_TREE
        self.trees.clear()

    def put(self, first: int, root: int, mask: BoolArray) -> None:
        """Tokens `first`, `first + 1`, … are a tree whose root has position `root`; mask [n, n]."""
        size = len(mask)
        self.root[first : first + size] = root
        self.mask[first : first + size, :size] = torch.as_tensor(mask).to(self.mask.device)
        self.trees[first] = size

    def visible(self, token: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """Whether each token may attend to the key at position `key` of its sequence, causality aside.

        Keys before the root are the text, those after it the tree's nodes in level order. Elementwise, without
        branches, so that it can be compiled into an attention kernel.
        """
        beyond = key - self.root[token]
        node = beyond.clamp(0, self.mask.shape[1] - 1)
        return (beyond < 0) | self.mask[token, node]


STAGE = Stage()
"""The stage of this process's runner."""


def open_stage(tokens: int, nodes: int, device: torch.device | str) -> Stage:
    """Make room for passes of `tokens` tokens and trees of `nodes` nodes."""
    STAGE.__init__(tokens, nodes, device)
    return STAGE
