"""What a server is started with. Two runtimes share a server when these and the model are equal."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from agentrt.serving.speculation import Ngram, Speculation

Device = Literal["cpu", "cuda"]


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
        speculation: How tokens are drafted.
        enforce_eager: Run the model without compiling it first, for a shorter start.
        kv_cache_gib: GiB for keys and values, on a CPU only.
        extra: Further arguments for vLLM, as they are.
    """

    device: Device = "cpu"
    dtype: str = "auto"
    max_model_len: int | None = None
    speculation: Speculation = field(default_factory=Ngram)
    enforce_eager: bool = True
    kv_cache_gib: int = 1
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take; no part of what makes two servers equal.

    Attributes:
        start: Seconds a server may take until it answers.
        linger: Seconds it stays after its last user has gone in good order, at most an hour. A user
            that was killed leaves no such wish.
    """

    start: float = 600.0
    linger: float = field(default_factory=default_linger)
