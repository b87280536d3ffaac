"""What a training report says about where it was made: the processor or GPU, never the host's name."""

from __future__ import annotations

import platform
from pathlib import Path

from agentrt.serving.probe import cores, cuda_gpus, default_device, memory_gib


def machine_name() -> str:
    """For example `AMD EPYC 7B13, 2 cores, 23 GiB, no GPU`."""
    gpus = ", ".join(f"{gpu.name} ({gpu.memory_mib // 1024} GiB)" for gpu in cuda_gpus())
    used = gpus if default_device() == "cuda" else "no GPU used"
    return f"{_processor()}, {cores()} cores, {memory_gib():.0f} GiB, {used}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
