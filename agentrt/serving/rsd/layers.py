"""A draft made of a target's own layers."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from agentrt.serving.rsd.errors import InvalidLayers

_LAYER = re.compile(r"^(?P<before>(?:.*\.)?layers\.)(?P<number>\d+)(?P<after>\..*)$")


def skip_layers(model: Any, keep: Sequence[int]) -> Any:
    """A new model of the same class that has only layers `keep` of `model`; its weights are copies.

    Args:
        model: a transformers causal language model with its layers in one list named `layers`.
        keep: layers, counted from 0, in order.

    Raises:
        InvalidLayers: `keep` names none, all, or such that are not there; or the model's layers are not found.
    """
    import torch
    import transformers

    count = int(model.config.num_hidden_layers)
    check_layers(keep, count)
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(keep)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[layer] for layer in keep]
    auto: Any = transformers.AutoModelForCausalLM
    draft = auto.from_config(config, dtype=model.dtype)
    place = {old: new for new, old in enumerate(keep)}
    weights: dict[str, torch.Tensor] = {}
    for name, weight in model.state_dict().items():
        found = _LAYER.match(name)
        if found is None:
            weights[name] = weight
        elif (old := int(found["number"])) in place:
            weights[f"{found['before']}{place[old]}{found['after']}"] = weight
    missing = draft.load_state_dict(weights, strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        raise InvalidLayers(
            f"{type(model).__name__} names its layers in a way that is not known here"
            f" ({[*missing.missing_keys, *missing.unexpected_keys][0]}): give a draft checkpoint of your own"
        )
    return draft.to(model.device)


def check_layers(keep: Sequence[int], count: int) -> None:
    """Refuse a choice of layers. Raises InvalidLayers."""
    if list(keep) != sorted(set(keep)) or not keep or min(keep) < 0 or max(keep) >= count:
        raise InvalidLayers(
            f"layers {list(keep)} cannot be kept: the target has layers 0 to {count - 1}, in this order"
        )
    if len(keep) == count:
        raise InvalidLayers("all layers would be kept: a draft must be smaller than its target")


def middle_skipped(count: int) -> list[int]:
    """The first and last third of `count` layers: those in the middle can be missed best."""
    edge = max(count // 3, 1)
    return [*range(edge), *range(count - edge, count)] if count > 2 * edge else [*range(count - 1)]


def parse_layers(text: str, count: int) -> list[int]:
    """Read `0-11,20-29`.

    Raises:
        InvalidLayers: it cannot be read, or the layers cannot be kept.
    """
    keep: list[int] = []
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part, re.ASCII)
        if found is None:
            raise InvalidLayers(f"cannot read the layers {text!r}: write numbers and ranges, such as 0-11,20-29")
        first, last = int(found[1]), int(found[2] or found[1])
        keep += range(first, last + 1)
    check_layers(keep, count)
    return keep
