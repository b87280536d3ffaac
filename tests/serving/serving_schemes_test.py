"""Weights in fewer bits: what is stored, and that the original can be read back from it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from agentrt.serving.gguf_checkpoint import GROUP, quantise, quantise4, weight_only_config  # noqa: E402 - needs torch


def unpacked(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """As the format says it: eight numbers to a word, lowest bits first, 8 above what they stand for."""
    words = packed.to(torch.int64) & 0xFFFFFFFF
    stored = torch.stack([(words >> (4 * place)) & 15 for place in range(8)], dim=2).flatten(1)
    return (stored - 8).view(*scale.shape, GROUP).float() * scale.float().unsqueeze(2)


def test_four_bits_keep_the_largest_weight_and_miss_others_by_half_a_step() -> None:
    weight = torch.randn(16, 4 * GROUP, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    packed, scale = quantise4(weight)
    assert packed.shape == (16, 4 * GROUP // 8) and packed.dtype == torch.int32
    assert scale.shape == (16, 4) and scale.dtype == torch.bfloat16
    groups = weight.float().view(16, 4, GROUP)
    error = (unpacked(packed, scale) - groups).abs()
    step = scale.float().abs().unsqueeze(2)
    # The side away from the largest weight ends at 7 steps: what is beyond is cut by one step at most.
    assert (error <= step * 1.01).all() and (error <= step * 0.51).float().mean() > 0.97
    largest = groups.abs().argmax(dim=2, keepdim=True)
    assert (error.gather(2, largest) <= step * 0.05).all()


def test_a_group_of_zeros_stays_zero() -> None:
    packed, scale = quantise4(torch.zeros(2, GROUP))
    assert not unpacked(packed, scale).any()


def test_eight_bits_keep_every_channel_within_half_a_step() -> None:
    weight = torch.randn(8, 96, generator=torch.Generator().manual_seed(1))
    rounded, scale = quantise(weight)
    assert ((rounded.float() * scale - weight).abs() <= scale * 0.501).all()


def test_the_config_names_what_is_stored() -> None:
    (group,) = weight_only_config()["config_groups"].values()
    assert (group["weights"]["num_bits"], group["weights"]["group_size"], group["input_activations"]) == (
        4,
        GROUP,
        None,
    )
