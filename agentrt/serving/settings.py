"""What a server is started with. Two runtimes share a server when these and the model are equal."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from agentrt.serving.speculation import Lookup, Speculation

Device = Literal["cpu", "cuda"]

OUR_TOOL_PARSER = "hermes_or_json"
"""vLLM's `hermes`, which also takes calls that are written as plain JSON: see `call_texts`."""


def default_linger() -> float:
    """Seconds from `AGENTRT_SERVER_LINGER`; 0 when it is unset or no number."""
    try:
        return max(0.0, float(os.environ.get("AGENTRT_SERVER_LINGER", "0")))
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one vLLM server.

    Attributes:
        device: Where the model runs.
        dtype: vLLM's `--dtype`.
        max_model_len: Tokens of prompt and answer together; None leaves it to vLLM.
        speculation: How tokens are drafted; `auto` is what `agentrt model tune` found best on this machine.
        enforce_eager: Run the model without compiling it first, for a shorter start.
        kv_cache_gib: GiB for keys and values, on a CPU only.
        gpu_memory_utilization: Share of a GPU's memory to take, on a GPU only; None leaves it to vLLM.
        tensor_parallel: GPUs that share one model.
        max_num_seqs: Requests answered at once, the rest waits; None leaves it to vLLM.
        tool_parser: How tool calls look in this model's text, as vLLM calls it, or `OUR_TOOL_PARSER`; None for no
            automatic calls.
        extra: Further arguments for vLLM, as they are; checked against the installed one.
    """

    device: Device = "cpu"
    dtype: str = "auto"
    max_model_len: int | None = None
    speculation: Speculation | Literal["auto"] = field(default_factory=Lookup)
    enforce_eager: bool = True
    kv_cache_gib: int = 1
    gpu_memory_utilization: float | None = None
    tensor_parallel: int = 1
    max_num_seqs: int | None = None
    tool_parser: str | None = OUR_TOOL_PARSER
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take; no part of what makes two servers equal.

    Attributes:
        start: Seconds a server may take until it answers.
        linger: Seconds it stays after its last user has gone in good order, at most an hour. A user
            that was killed leaves no such wish.
        restarts: How often a server that crashes is started again, for whoever starts it.
    """

    start: float = 600.0
    linger: float = field(default_factory=default_linger)
    restarts: int = 3
