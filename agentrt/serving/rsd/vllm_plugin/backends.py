"""Putting the tree attention where vLLM looks for its attention backend."""

from __future__ import annotations


def register_attention() -> None:
    """On a CPU in place of vLLM's own backend, which its platform always takes; on CUDA under the name CUSTOM."""
    from vllm.platforms import current_platform
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    here = __name__.rpartition(".")[0]
    if current_platform.is_cpu():
        register_backend(AttentionBackendEnum.CPU_ATTN, f"{here}.attention.TreeAttentionBackend")
    else:
        register_backend(AttentionBackendEnum.CUSTOM, f"{here}.flex.TreeFlexBackend")
