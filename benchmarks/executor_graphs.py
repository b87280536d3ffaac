"""The DAGs the executor is measured on, and the work each node does."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Graph:
    """A DAG whose nodes are numbered in topological order.

    Attributes:
        name: how tables call it.
        needs: for each node the nodes it needs.
        seconds: how long each node sleeps; empty for nodes that do nothing.
    """

    name: str
    needs: Sequence[Sequence[int]]
    seconds: Sequence[float] = field(default=())

    @property
    def edges(self) -> int:
        """How many dependencies there are."""
        return sum(map(len, self.needs))

    @property
    def critical_path(self) -> float:
        """Seconds of nominal sleep along the longest chain: no runner can be faster."""
        ends: list[float] = []
        for node, needs in enumerate(self.needs):
            ends.append(self.seconds[node] + max((ends[need] for need in needs), default=0.0))
        return max(ends)


class Work:
    """What every runner calls for every node; it records the order so that a wrong runner cannot win."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ended: list[int] = []
        self.call = self._sleep if graph.seconds else self._nothing

    async def _nothing(self, node: int, inputs: Sequence[int]) -> int:
        self.ended.append(node)
        return node

    async def _sleep(self, node: int, inputs: Sequence[int]) -> int:
        await asyncio.sleep(self.graph.seconds[node])
        self.ended.append(node)
        return node

    def blocking(self, node: int, inputs: Sequence[int]) -> int:
        """The same for runners that use threads."""
        if self.graph.seconds:
            time.sleep(self.graph.seconds[node])
        self.ended.append(node)
        return node

    def verify(self) -> None:
        """Raises AssertionError unless each node ran once, after everything it needs."""
        place = {node: index for index, node in enumerate(self.ended)}
        assert len(self.ended) == len(place) == len(self.graph.needs), f"{self.graph.name}: not every node ran once"
        for node, needs in enumerate(self.graph.needs):
            assert all(place[need] < place[node] for need in needs), f"{self.graph.name}: {node} ran too early"


def wide(count: int) -> Graph:
    """Nodes that need nothing."""
    return Graph(f"wide {count:,}", [()] * count)


def chain(count: int) -> Graph:
    """Each node needs the one before."""
    return Graph(f"chain {count:,}", [(node - 1,) if node else () for node in range(count)])


def layered(count: int, edges: int, width: int, seed: int = 7) -> Graph:
    """Layers of `width`; each node needs random ones of the layer before, `edges` in all."""
    draw = random.Random(seed)
    inner = count - width
    each, extra = divmod(edges, inner)
    needs: list[Sequence[int]] = [()] * width
    for node in range(width, count):
        first = (node // width - 1) * width
        needs.append(sorted(draw.sample(range(first, first + width), each + (node - width < extra))))
    return Graph(f"layered {count:,} / {edges:,}", needs)


def equal_sleeps(count: int, seconds: float) -> Graph:
    """Nodes that need nothing and all sleep the same time."""
    return Graph(f"{count} x {seconds * 1e3:.0f} ms", [()] * count, [seconds] * count)


def uneven_sleeps(count: int = 120, width: int = 15, seed: int = 11) -> Graph:
    """Layers of nodes with log-normal durations (median 40 ms, sigma 1): barriers between layers show."""
    draw = random.Random(seed)
    shape = layered(count, 2 * (count - width), width, seed)
    return Graph("uneven sleeps", shape.needs, [0.04 * draw.lognormvariate(0, 1) for _ in range(count)])
