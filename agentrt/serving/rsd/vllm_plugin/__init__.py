"""Draft trees inside vLLM: an entry point, a worker, a proposer and an attention backend.

`launch` says how a server is started with them; `register` is what vLLM calls in every process. vLLM 0.32 verifies
chains only, so the plugin puts itself between vLLM's V1 runner and its parts:

    settings    the tree and the draft, handed to the server's processes in one environment variable
    hooks       whether the installed vLLM has the seams this needs; read from its source, nothing is imported
    launch      arguments and environment of a server; falls back to chain drafting where a hook is missing
    worker      the platform's worker, whose runner becomes ours
    runner      positions and masks before the pass, verification and compaction after it
    proposer    the draft model with its own cache
    requests    which requests can be drafted for
    stage       what the attention layers must know about this pass
    attention   CPU: torch attention with the tree's mask
    flex        CUDA: FlexAttention with the tree's mask (not yet run on a GPU)
"""

from __future__ import annotations

import os


def register() -> None:
    """Entry point of `vllm.general_plugins`: puts the tree attention in place where a server was started with RSD.

    Raises:
        UnsupportedVLLM: a hook is missing.
    """
    from agentrt.serving.rsd.vllm_plugin.settings import VARIABLE

    if VARIABLE not in os.environ:
        return
    from agentrt.serving.rsd.vllm_plugin.backends import register_attention
    from agentrt.serving.rsd.vllm_plugin.hooks import require_hooks

    require_hooks()
    register_attention()
