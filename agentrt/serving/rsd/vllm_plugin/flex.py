"""Tree attention on CUDA: vLLM's FlexAttention with the tree's mask. No GPU has run this yet.

FlexAttention compiles a mask function into its kernel. Nodes come after their ancestors in level order, so a tree's
mask is the causal one and one more condition, and vLLM's choice of blocks (which prunes by causality) stays right.
The mask itself is tested on a CPU; the kernel, its speed and the cache's layout are not.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.attention.backends.flex_attention import (
    FlexAttentionBackend,
    FlexAttentionMetadata,
    FlexAttentionMetadataBuilder,
)

from agentrt.serving.rsd.vllm_plugin.stage import STAGE, Stage


class TreeFlexMetadata(FlexAttentionMetadata):
    """One pass's metadata, whose mask knows trees."""

    def get_paged_mask_mod(self) -> Any:
        """See vLLM."""
        assert self.doc_ids is not None
        return tree_mask(super().get_paged_mask_mod(), self._convert_physical_to_logical, self.doc_ids, STAGE)


class TreeFlexBuilder(FlexAttentionMetadataBuilder):
    """Makes `TreeFlexMetadata`."""

    def build(self, common_prefix_len: int, common_attn_metadata: Any, fast_build: bool = False) -> Any:
        """See vLLM."""
        made: Any = super().build(common_prefix_len, common_attn_metadata, fast_build)
        made.__class__ = TreeFlexMetadata
        made.mask_mod = made.get_mask_mod()
        made.block_mask = made._build_block_mask_direct() if made.direct_build else made.build_block_mask()
        return made


class TreeFlexBackend(FlexAttentionBackend):
    """Registered as CUSTOM."""

    @staticmethod
    def get_name() -> str:
        """The name it is registered by."""
        return "CUSTOM"

    @staticmethod
    def get_builder_cls() -> type[TreeFlexBuilder]:
        """What makes a pass's metadata."""
        return TreeFlexBuilder


def tree_mask(causal: Any, logical: Any, requests: torch.Tensor, stage: Stage) -> Any:
    """FlexAttention's mask function: `causal`, and inside a tree along its branches only.

    Args:
        causal: the mask function without trees.
        logical: vLLM's mapping (requests, query, key) -> (valid, query's position, key's position) of a sequence.
        requests: each query token's request, shape [tokens].
        stage: the pass's trees.
    """

    def mask(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        _, _, position = logical(requests, query, key)
        return causal(batch, head, query, key) & stage.visible(query, position)

    return mask
