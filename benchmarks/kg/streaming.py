"""Ten million edges streamed into a graph, in a process of its own whose memory is read at the end.

python -m benchmarks.kg.streaming [EDGES]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kg_rag.graph import EdgeRecord, NodeRecord
from kg_rag.store.build import build_graph
from kg_rag.store.sources.port import GraphSource

EDGES = 10_000_000
NODES = 200_000


class Many(GraphSource):
    """Edges that are made while they are read."""

    name = "many"

    def __init__(self, edges: int) -> None:
        self._edges = edges

    def nodes(self) -> Iterator[NodeRecord]:
        return (NodeRecord(f"n{at}", f"node {at}") for at in range(NODES))

    def edges(self) -> Iterator[EdgeRecord]:
        return (EdgeRecord(f"n{at % NODES}", "r", f"n{at * 7919 % NODES}") for at in range(self._edges))


def measure(edges: int = EDGES) -> dict[str, float]:
    """Seconds and peak memory (MB) of the build."""
    command = [sys.executable, "-m", "benchmarks.kg.streaming", str(edges)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        build_graph(Many(int(sys.argv[1]) if len(sys.argv) > 1 else EDGES), folder)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}))
