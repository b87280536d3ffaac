"""From a speculation method to the words vLLM has for it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from agentrt.serving.errors import SpeculationRefused
from agentrt.serving.lookup_drafter import SETTINGS
from agentrt.serving.settings import Device
from agentrt.serving.speculation import (
    RSD,
    DraftModel,
    Eagle3,
    Load,
    Lookup,
    Lowered,
    Ngram,
    Off,
    Speculation,
    Suffix,
)

_PLUGIN = "agentrt.serving.rsd.vllm_plugin"
# vLLM carries the last length on to any larger batch, so the end of the last range does not matter.
_EVERYTHING = 1_000_000


def lower(speculation: Speculation, device: Device = "cpu") -> Lowered:
    """A method in vLLM's words; models in it must be checkpoint folders by now.

    Args:
        speculation: The method.
        device: Where the server runs; draft trees have an attention of their own for each.

    Raises:
        SpeculationRefused: Draft trees were asked for where the plugin that brings them is missing.
    """
    match speculation:
        case Off():
            return Lowered()
        case Ngram():
            config: dict[str, Any] = {
                "method": "ngram",
                "num_speculative_tokens": speculation.tokens,
                "prompt_lookup_max": speculation.longest,
                "prompt_lookup_min": speculation.shortest,
            }
            return Lowered(config | _following(speculation.load, speculation.tokens))
        case Lookup():
            return _looked_up(speculation, device)
        case Suffix():
            return Lowered(
                {
                    "method": "suffix",
                    "suffix_decoding_max_tree_depth": speculation.depth,
                    "suffix_decoding_max_spec_factor": speculation.factor,
                    "suffix_decoding_min_token_prob": speculation.least,
                    "suffix_decoding_max_cached_requests": speculation.remembered,
                }
            )
        case DraftModel() | Eagle3():
            config = {
                "method": speculation.kind,
                "model": speculation.model,
                "num_speculative_tokens": speculation.tokens,
            }
            return Lowered(config | _following(speculation.load, speculation.tokens))
        case RSD():
            return _trees(speculation, device)


def _looked_up(speculation: Lookup, device: Device) -> Lowered:
    if device != "cpu":
        ngram = lower(Ngram(tokens=min(speculation.tokens, Ngram.tokens), load=()), device)
        return replace(ngram, note="lookup drafts on a CPU only; ngram drafts here")
    # What vLLM looks for itself does not matter: `lookup_worker` proposes in its place.
    config = {
        "method": "ngram",
        "num_speculative_tokens": speculation.tokens,
        "prompt_lookup_max": 2,
        "prompt_lookup_min": 2,
    }
    settings = {"longest": speculation.tokens, "remembered": speculation.remembered, "cost": speculation.cost}
    arguments = ("--worker-cls", "agentrt.serving.lookup_worker.LookupWorker")
    return Lowered(config, arguments, {SETTINGS: json.dumps(settings)})


def _following(load: Load, tokens: int) -> dict[str, Any]:
    """vLLM's schedule of draft lengths over batch sizes: inclusive ranges from 1 on, without gaps."""
    if not load:
        return {}
    steps = [*load] if load[0][0] == 1 else [(1, tokens), *load]
    ends = [first - 1 for first, _ in steps[1:]] + [_EVERYTHING]
    ranges = [[first, end, min(length, tokens)] for (first, length), end in zip(steps, ends, strict=True)]
    return {"num_speculative_tokens_per_batch_size": ranges}


def _trees(speculation: RSD, device: Device) -> Lowered:
    if find_spec(_PLUGIN) is None:
        raise SpeculationRefused(
            "Draft trees (rsd) need agentrt's vLLM plugin, which is not in this installation. "
            "Use draft_model with the same draft instead, or the torch engine (docs/rsd.md)."
        )
    from agentrt.serving.rsd.errors import RSDError
    from agentrt.serving.rsd.vllm_plugin.launch import launch
    from agentrt.serving.rsd.vllm_plugin.settings import PluginSettings

    try:
        started = launch(PluginSettings(speculation.draft, speculation.tree), device)
    except RSDError as error:
        raise SpeculationRefused(f"The tree {speculation.tree!r} cannot be drafted: {error}") from None
    return Lowered(started.speculative_config, started.arguments, started.env, started.note)
