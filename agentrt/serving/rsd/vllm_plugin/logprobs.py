"""Log-probabilities of the accepted paths, in the form vLLM hands to its clients."""

from __future__ import annotations

from typing import Any

import torch

from agentrt.serving.rsd.sampling import IntArray


def path_logprobs(
    sampler: Any, logits: torch.Tensor, rows: IntArray, tokens: torch.Tensor, told: int, plain: Any, trees: list[int]
) -> Any:
    """vLLM's `LogprobsTensors` of a round, a row for every place of `tokens`, those of no token among them.

    Args:
        sampler: vLLM's sampler; its mode says whether values are logits or log-probabilities.
        logits: the target's logits, shape [all nodes, vocabulary].
        rows: the row of logits each token was drawn from, shape [requests, longest].
        tokens: the round's tokens, -1 where there is none, shape [requests, longest].
        told: most probable tokens to tell besides the one drawn.
        plain: the sampler's output for requests without trees, or None when all have one.
        trees: the requests that have trees.
    """
    from vllm.v1.outputs import LogprobsTensors

    inside = torch.zeros_like(tokens, dtype=torch.bool)
    inside[trees] = tokens[trees] >= 0
    where = torch.as_tensor(rows).to(logits.device)[inside]
    values = logits[where].float()
    if sampler.logprobs_mode == "raw_logprobs":
        values = sampler.compute_logprobs(values)
    found = sampler.gather_logprobs(values, told, tokens[inside].long())
    parts = (found.logprob_token_ids, found.logprobs, found.selected_token_ranks)
    theirs: tuple[torch.Tensor | None, ...] = (None, None, None)
    if plain is not None and plain.logprobs_tensors is not None:
        made = plain.logprobs_tensors
        theirs = (made.logprob_token_ids, made.logprobs, made.selected_token_ranks)
    alone = [row for row in range(len(tokens)) if row not in set(trees)]
    whole: list[torch.Tensor] = []
    for part, other in zip(parts, theirs, strict=True):
        out = part.new_zeros(*tokens.shape, *part.shape[1:])
        out[inside] = part
        if other is not None:
            out[alone, 0] = other[alone].to(part.dtype)
        whole.append(out.flatten(0, 1))
    return LogprobsTensors(whole[0], whole[1], whole[2])
