"""Acceptance by depth among the server's metrics.

vLLM counts accepted drafts by their place in a flat list and divides by rounds; a tree needs how often each depth was
on trial, too. The counters are seen at `/metrics` when engine and server share a process, as they do on a CPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def observe_round(depth: int, accepted: int) -> None:
    """Count one round of a tree with `depth` levels, of which `accepted` were taken."""
    offered, taken = _counters()
    for level in range(1, min(accepted + 1, depth) + 1):
        offered.labels(depth=str(level)).inc()
        if level <= accepted:
            taken.labels(depth=str(level)).inc()


@cache
def _counters() -> tuple[Any, Any]:
    from prometheus_client import Counter

    return (
        Counter("agentrt_rsd_offered", "Rounds whose path had reached the depth above", ["depth"]),
        Counter("agentrt_rsd_accepted", "Rounds that accepted a draft token at this depth", ["depth"]),
    )
