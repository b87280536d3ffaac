"""Tree attention on a CPU: torch's scaled dot-product attention over vLLM's paged cache.

vLLM's own kernel packs keys for its matrix instructions and knows causal masks only. Here a block holds plain keys and
values, [blocks, heads, slots, key size + value size], and every request is one call.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend, CPUAttentionBackendImpl

from agentrt.serving.rsd.errors import UnsupportedVLLM
from agentrt.serving.rsd.vllm_plugin.attention_cache import paged_attention, write_slots
from agentrt.serving.rsd.vllm_plugin.stage import STAGE


class TreeAttention(CPUAttentionBackendImpl):
    """Attention of one layer: causal, and inside a tree along its branches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        odd = {
            "ALiBi": self.alibi_slopes is not None,
            "a sliding window": self.sliding_window not in (-1, None),
            "a logits soft cap": bool(self.logits_soft_cap),
            "sinks": self.sinks is not None,
            "an fp8 cache": self.is_fp8_kv_cache,
        }
        if found := [name for name, there in odd.items() if there]:
            raise UnsupportedVLLM(
                f"this model's attention has {', '.join(found)}, which draft trees do not know on a CPU: serve it with"
                " another speculation"
            )

    def do_kv_cache_update(
        self, layer: Any, key: torch.Tensor, value: torch.Tensor, kv_cache: torch.Tensor, slot_mapping: torch.Tensor
    ) -> None:
        """Write new keys and values, [tokens, heads, size], to their slots."""
        write_slots(kv_cache, key, value, slot_mapping)

    def forward(
        self,
        layer: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kv_cache: torch.Tensor,
        attn_metadata: Any,
        output: torch.Tensor,
        output_scale: torch.Tensor | None = None,
        output_block_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `CPUAttentionBackendImpl.forward`."""
        if attn_metadata is not None:
            paged_attention(
                query.view(-1, self.num_heads, self.head_size),
                kv_cache,
                output.view(-1, self.num_heads, self.head_size),
                attn_metadata.query_start_loc.tolist(),
                attn_metadata.seq_lens.tolist(),
                attn_metadata.block_table,
                self.scale,
                STAGE,
            )
        return output


class TreeAttentionBackend(CPUAttentionBackend):
    """vLLM's CPU backend with the attention above."""

    @staticmethod
    def get_impl_cls() -> type[TreeAttention]:
        """The layers' attention."""
        return TreeAttention
