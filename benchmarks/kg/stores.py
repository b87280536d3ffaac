"""The store beside networkx and ladybug (kuzu's heir), each in a process of its own, on the same nodes.

    python -m benchmarks.kg.stores NAME GRAPH

prints one JSON object: milliseconds to open, for one and two hops and PageRank, and the process's memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAMPLES = 2000
TWO_HOPS = 200
STORES = ("csr", "networkx", "ladybug")


def measure(name: str, graph: Path) -> dict[str, float]:
    """Runs one store in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.kg.stores", name, str(graph)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    return json.loads(run.stdout.splitlines()[-1])


def times(call: Callable[[int], object], nodes: list[int]) -> list[float]:
    spent: list[float] = []
    for node in nodes:
        began = time.perf_counter()
        call(node)
        spent.append((time.perf_counter() - began) * 1e3)
    return sorted(spent)


def at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def run(name: str, path: Path) -> dict[str, float]:
    import random

    import numpy as np
    import psutil

    from kg_rag.retrieval.pagerank import personalised_pagerank
    from kg_rag.store.local import open_graph

    rng = random.Random(0)
    found: dict[str, float] = {}
    if name == "csr":
        began = time.perf_counter()
        graph = open_graph(path)
        found["open"] = (time.perf_counter() - began) * 1e3
        nodes = [rng.randrange(graph.info.nodes) for _ in range(SAMPLES)]
        one = times(lambda node: graph.around([node]), nodes)
        two = times(
            lambda node: np.unique(graph.around(np.unique(graph.around([node]).neighbours)).neighbours),
            nodes[:TWO_HOPS],
        )
        pagerank = times(lambda node: personalised_pagerank(graph, {node: 1.0}), nodes[:20])
        found |= {"pagerank p50": at(pagerank, 0.5)}
    else:
        with open_graph(path) as graph:
            count = graph.info.nodes
            source, target = graph.ends["source"].copy(), graph.ends["target"].copy()
        nodes = [rng.randrange(count) for _ in range(SAMPLES)]
        opener = _networkx if name == "networkx" else _ladybug
        found["open"], hop = opener(count, source, target)
        one = times(lambda node: list(hop(node, 1)), nodes)
        two = times(lambda node: set(hop(node, 2)), nodes[:TWO_HOPS])
    found |= {
        "one hop p50": at(one, 0.5),
        "one hop p99": at(one, 0.99),
        "two hops p50": at(two, 0.5),
        "rss": psutil.Process().memory_info().rss / 1e6,
    }
    return found


def _networkx(count: int, source: Any, target: Any) -> tuple[float, Callable[[int, int], Any]]:
    import networkx as nx

    began = time.perf_counter()
    graph: Any = nx.MultiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(zip(source.tolist(), target.tolist(), strict=True))
    spent = (time.perf_counter() - began) * 1e3

    def hop(node: int, hops: int) -> Any:
        near = graph[node]
        return near if hops == 1 else {far for one in near for far in graph[one]}

    return spent, hop


def _ladybug(count: int, source: Any, target: Any) -> tuple[float, Callable[[int, int], Any]]:
    import ladybug
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    library: Any = ladybug
    tables: Any = arrow
    folder = Path(tempfile.mkdtemp())
    parquet.write_table(tables.table({"id": tables.array(range(count), tables.int64())}), folder / "n.parquet")
    ends = {"a": tables.array(source, tables.int64()), "b": tables.array(target, tables.int64())}
    parquet.write_table(tables.table(ends), folder / "e.parquet")
    connection = library.Connection(library.Database(str(folder / "db")))
    connection.execute("CREATE NODE TABLE N(id INT64, PRIMARY KEY(id))")
    connection.execute("CREATE REL TABLE E(FROM N TO N)")
    connection.execute(f"COPY N FROM '{folder / 'n.parquet'}'")
    connection.execute(f"COPY E FROM '{folder / 'e.parquet'}'")
    connection.close()
    began = time.perf_counter()
    opened = library.Connection(library.Database(str(folder / "db"), read_only=True))
    near = opened.prepare("MATCH (a:N {id: $id})-[:E]-(b:N) RETURN b.id")
    far = opened.prepare("MATCH (a:N {id: $id})-[:E]-(:N)-[:E]-(b:N) RETURN DISTINCT b.id")
    spent = (time.perf_counter() - began) * 1e3

    def hop(node: int, hops: int) -> Any:
        result = opened.execute(near if hops == 1 else far, {"id": node})
        return [row[0] for row in result.get_all()]

    return spent, hop


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]))))
