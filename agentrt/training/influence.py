"""Which pairs help most: the first-order influence of training on a pair on how well held-out pairs are told apart.

A step against the gradient g of a pair's loss changes the held-out loss by −lr · ⟨g, v⟩ with v the held-out gradient
(Koh and Liang 2017, without the Hessian; DITS, 2026, selects pairs of dialogue trees by influence). At the start of a
DPO step policy and reference are equal, so the gradient of the pair's loss is that of −β/2 · (log p⁺ − log p⁻).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentrt.training.checkpoint import device_of, load
from agentrt.training.rows import chat_tokens
from multiagent.training.port import ModelAt
from multiagent.trajectories import Message, Pair


def influence_on(
    held_out: Sequence[Pair], model: str | Path, *, device: str = "auto"
) -> Callable[[Sequence[Pair]], list[float]]:
    """How much training on each pair should help on `held_out`, as a function of pairs.

    Only the last layer's gradients are compared, which keeps one vector of its size a pair in memory.

    Args:
        held_out: pairs to do well on; not those to choose from.
        model: the checkpoint that will be trained.

    Raises:
        ValueError: there is no held-out pair.
    """
    if not held_out:
        raise ValueError("influence is measured on held-out pairs; give some")

    def score(pairs: Sequence[Pair]) -> list[float]:
        weights, tokenizer = load(model, device_of(device))
        weights.eval()
        learnt = _last_layer(weights)
        wanted = sum(_gradient(pair, weights, tokenizer, learnt) for pair in held_out)
        return [float(_gradient(pair, weights, tokenizer, learnt) @ wanted) / len(held_out) for pair in pairs]

    return score


def mutual_influence(model: ModelAt | None, pairs: Sequence[Pair], *, every: int = 4) -> list[float]:
    """For `ByInfluence` where no pairs are held out: each pair's influence on every `every`th of the others.

    Args:
        model: the checkpoint that will be trained.
        pairs: to choose from; those that are measured on are chosen from too, but never measured on themselves.
        every: which of them are measured on.

    Raises:
        ValueError: there is no model.
    """
    if model is None:
        raise ValueError("influence is measured on the model that will be trained; select with for_model(…)")
    if len(pairs) < 2:
        return [0.0] * len(pairs)
    weights, tokenizer = load(model, device_of("auto"))
    weights.eval()
    learnt = _last_layer(weights)
    wanted = sum(_gradient(pair, weights, tokenizer, learnt) for pair in pairs[::every])
    count = len(pairs[::every])
    scores: list[float] = []
    for at, pair in enumerate(pairs):
        gradient = _gradient(pair, weights, tokenizer, learnt)
        itself = at % every == 0
        others = float(gradient @ wanted) - (float(gradient @ gradient) if itself else 0.0)
        scores.append(others / max(1, count - itself))
    return scores


def _last_layer(model: Any) -> list[Any]:
    """The last layer's parameters; gradients of all others are switched off."""
    layers = sorted({int(part) for name, _ in model.named_parameters() for part in name.split(".") if part.isdigit()})
    mark = f".{layers[-1]}."
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(mark in name)
    return [parameter for name, parameter in model.named_parameters() if mark in name]


def _gradient(pair: Pair, model: Any, tokenizer: Any, learnt: Sequence[Any]) -> Any:
    """The gradient of log p⁻ − log p⁺ as one vector, in float32."""
    import torch

    loss = _log_likelihood(pair.prompt, pair.rejected, model, tokenizer) - _log_likelihood(
        pair.prompt, pair.chosen, model, tokenizer
    )
    return torch.cat([part.flatten().float() for part in torch.autograd.grad(loss, list(learnt))])


def _log_likelihood(prompt: Sequence[Message], answer: Sequence[Message], model: Any, tokenizer: Any) -> Any:
    import torch

    before = len(chat_tokens(prompt, tokenizer, prompt=True))
    whole = torch.tensor([chat_tokens([*prompt, *answer], tokenizer, prompt=False)], device=model.device)
    odds = model(input_ids=whole).logits[0, before - 1 : -1].float().log_softmax(-1)
    return odds.gather(1, whole[0, before:, None]).sum()
