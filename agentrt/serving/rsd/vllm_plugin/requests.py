"""Which requests can be drafted for, and how the target's distribution is made for them."""

from __future__ import annotations

from typing import Any

from agentrt.serving.rsd.request import Sampling

GREEDY_BELOW = 1e-5
"""vLLM takes a temperature below this for 0."""


def undraftable(params: Any, written: int, logprobs_mode: str) -> str | None:
    """Why a request goes on without drafts, or None if it can be drafted for.

    Some settings make a token's distribution depend on more than its logits: penalties on the node's ancestors, a
    grammar on its own state at every node. Those requests are decoded by vLLM's own sampler in the same batch.

    Args:
        params: vLLM's `SamplingParams`.
        written: tokens of the answer so far.
        logprobs_mode: the model's setting; only raw values can be told for tree nodes.
    """
    causes = {
        "presence_penalty": params.presence_penalty != 0,
        "frequency_penalty": params.frequency_penalty != 0,
        "repetition_penalty": params.repetition_penalty != 1,
        "min_p": params.min_p > 0,
        "min_tokens": written < params.min_tokens,
        "bad_words": bool(params.bad_words),
        "logit_bias": bool(params.logit_bias),
        "allowed_token_ids": bool(params.allowed_token_ids),
        "structured_outputs": params.structured_outputs is not None,
        "logprob_token_ids": bool(getattr(params, "logprob_token_ids", None)),
        "thinking_token_budget": getattr(params, "thinking_token_budget", None) is not None,
        "extra_args": bool(params.extra_args),
        f"logprobs with {logprobs_mode}": params.logprobs is not None and not logprobs_mode.startswith("raw_"),
        "logprobs=-1": params.logprobs == -1,
    }
    return next((name for name, holds in causes.items() if holds), None)


def sampling_of(params: Any) -> Sampling:
    """vLLM's settings as ours."""
    temperature = 0.0 if params.temperature < GREEDY_BELOW else float(params.temperature)
    return Sampling(temperature, max(int(params.top_k), 0), float(params.top_p))
