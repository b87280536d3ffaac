"""What suits this machine: how a catalogue model is stored and served when nobody says."""

from __future__ import annotations

from dataclasses import dataclass

from agentrt.serving.catalogue import CatalogueEntry, Scheme
from agentrt.serving.probe import cpu_features, memory_gib
from agentrt.serving.settings import Device, ServerSettings
from agentrt.serving.speculation import Lookup, Ngram

_BYTE_DOTS = {"avx512_vnni", "amx_int8"}
_BF16_DOTS = {"avx512_bf16", "amx_bf16", "avx512f"}


@dataclass(frozen=True, slots=True)
class ServingDefaults:
    """A checkpoint scheme and the settings that go with it."""

    scheme: Scheme
    settings: ServerSettings


def serving_defaults(entry: CatalogueEntry, device: Device) -> ServingDefaults:
    """The scheme and settings for a catalogue model on a device.

    On a GPU weights stay bf16 and vLLM compiles the model. On a CPU it depends on what the processor
    multiplies natively: int8 where it has byte dot products (AVX-512 VNNI, AMX), bf16 where it has
    those, else float32. Measured on two AVX2 cores with the 1.5B (prompt of 439 tokens, then tokens a
    second): float32 23 s and 3.3, bf16 65 s and 4.2, int8 8 s and 0.8. bf16 also is what is left
    where the memory has no room for float32.
    """
    if device == "cuda":
        # One length of drafts: another at every step would cost vLLM's V1 runner its full CUDA graphs.
        drafts = Ngram(load=())
        settings = ServerSettings(device=device, dtype="auto", enforce_eager=False, speculation=drafts)
        return ServingDefaults("bf16", settings)
    features = set(cpu_features())
    scheme: Scheme = entry.cpu_scheme if features & _BYTE_DOTS else "bf16"
    dtype = "bfloat16"
    if scheme == "bf16" and not features & _BF16_DOTS and _fits_float32(entry):
        dtype = "float32"
    settings = ServerSettings(device=device, dtype=dtype, max_model_len=entry.served_context, speculation=Lookup())
    return ServingDefaults(scheme, settings)


def _fits_float32(entry: CatalogueEntry) -> bool:
    """Whether weights in float32 take at most half of the memory."""
    return entry.parameters * 4 / 2**30 <= memory_gib() / 2
