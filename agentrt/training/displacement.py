"""CHES: which preference pairs would push the likelihood of both their messages down (Razin et al. 2024).

    s = ⟨Σ h⁺, Σ h⁻⟩ − ‖Σ h⁺‖²

with the last layer's hidden states h of the chosen (+) and the rejected (−) message's tokens. The higher, the more
alike the two are to the model, and the more likely training on the pair displaces likelihood to something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentrt.training.checkpoint import device_of, load
from agentrt.training.rows import chat_tokens
from multiagent.trajectories import Message, Pair


def ches_scores(pairs: Sequence[Pair], model: str | Path, *, device: str = "auto") -> list[float]:
    """The CHES score of each pair under a checkpoint."""
    weights, tokenizer = load(model, device_of(device))
    weights.eval()
    return [_score(pair, weights, tokenizer) for pair in pairs]


def _score(pair: Pair, model: Any, tokenizer: Any) -> float:
    chosen = _hidden_sum(pair.prompt, pair.chosen, model, tokenizer)
    rejected = _hidden_sum(pair.prompt, pair.rejected, model, tokenizer)
    return float(chosen @ rejected - chosen @ chosen)


def _hidden_sum(prompt: Sequence[Message], answer: Sequence[Message], model: Any, tokenizer: Any) -> Any:
    """Sum of the last layer's states over the answer's tokens; shape (hidden size,)."""
    import torch

    before = len(chat_tokens(prompt, tokenizer, prompt=True))
    whole = torch.tensor([chat_tokens([*prompt, *answer], tokenizer, prompt=False)], device=model.device)
    with torch.inference_mode():
        states = model(input_ids=whole, output_hidden_states=True).hidden_states[-1][0]
    return states[before:].float().sum(0)
