"""A connected subgraph under a token budget.

G-Retriever (He et al. 2024) poses this as the prize-collecting Steiner tree, which is NP-hard. This is a stated
approximation in two steps, without its guarantee of a factor of two: the mentioned nodes are joined by shortest paths
(the metric-closure heuristic for Steiner trees, Kou, Markowsky and Berman 1981), and the tree then grows by whichever
edge at its rim brings the most prize for its tokens until the budget is spent. Prizes are personalised PageRank, plus
how well an edge's type fits the question.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from kg_rag.context.pruning import TokenCounter, estimate_tokens
from kg_rag.context.sentences import sentences
from kg_rag.graph import Walk
from kg_rag.retrieval.pagerank import personalised_pagerank
from kg_rag.retrieval.port import GraphRetriever, Query, Retrieved
from kg_rag.retrieval.relevance import relation_scores
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.port import GraphStore

_RIM = 400


def shortest_walk(
    store: GraphStore, source: int, target: int, *, hops: int = 4, where: EdgeFilter | None = None, most: int = 300_000
) -> Walk | None:
    """A walk with the fewest edges between two nodes, or None within `hops` edges.

    Breadth first from both ends, the smaller rim first; gives up when a rim has more than `most` edge ends.
    """
    if source == target:
        return Walk((source,), ())
    sides = ({source: (-1, -1)}, {target: (-1, -1)})
    rims: list[list[int]] = [[source], [target]]
    for _ in range(hops):
        side = 0 if store.degrees(rims[0]).sum() <= store.degrees(rims[1]).sum() else 1
        if int(store.degrees(rims[side]).sum()) > most:
            return None
        found = store.neighbourhood(rims[side], where)
        here, there = sides[side], sides[1 - side]
        grown: list[int] = []
        meeting: int | None = None
        for origin, neighbour, edge in zip(
            found.origins.tolist(), found.neighbours.tolist(), found.edges.tolist(), strict=True
        ):
            if neighbour not in here:
                here[neighbour] = (rims[side][origin], edge)
                grown.append(neighbour)
                if neighbour in there:
                    meeting = neighbour
                    break
        if meeting is not None:
            return _join(sides[0], sides[1], meeting)
        if not grown:
            return None
        rims[side] = grown
    return None


def _join(front: dict[int, tuple[int, int]], back: dict[int, tuple[int, int]], meeting: int) -> Walk:
    nodes, edges = [meeting], list[int]()
    while front[nodes[0]][0] >= 0:
        before, edge = front[nodes[0]]
        nodes.insert(0, before)
        edges.insert(0, edge)
    while back[nodes[-1]][0] >= 0:
        after, edge = back[nodes[-1]]
        nodes.append(after)
        edges.append(edge)
    return Walk(tuple(nodes), tuple(edges))


class PrizeSubgraph(GraphRetriever):
    """A connected subgraph around the mentioned nodes whose sentences fit a token budget.

    Mentioned nodes that no walk of `hops` edges joins are kept as parts of their own.

    Args:
        budget: most tokens of all sentences together.
        count_tokens: the counter of the model that will read them.
        hops: longest walk that joins two mentioned nodes.
    """

    def __init__(self, budget: int = 512, *, count_tokens: TokenCounter = estimate_tokens, hops: int = 4) -> None:
        self._budget = budget
        self._count = count_tokens
        self._hops = hops

    def retrieve(self, store: GraphStore, query: Query) -> Retrieved:
        seeds = query.seeds
        if not seeds:
            return Retrieved.nothing()
        chosen: dict[int, None] = {}
        inside: set[int] = set(seeds)
        left = self._budget
        walks: list[Walk] = []
        for seed in seeds[1:]:
            walk = shortest_walk(store, seeds[0], seed, hops=self._hops, where=query.where)
            new = [edge for edge in walk.edges if edge not in chosen] if walk else []
            cost = self._tokens(store, new)
            if walk and cost <= left:
                walks.append(walk)
                chosen.update(dict.fromkeys(new))
                inside.update(walk.nodes)
                left -= cost
        prizes = personalised_pagerank(store, dict.fromkeys(seeds, 1.0), tolerance=1e-2)
        fit = relation_scores(query.text, store.types, store.schema)
        rim: list[tuple[float, int, int]] = []
        self._reach(store, query, sorted(inside), prizes, fit, rim)
        while rim and left > 0:
            _, edge, node = heapq.heappop(rim)
            if edge in chosen:
                continue
            cost = self._tokens(store, [edge])
            if cost > left:
                continue
            left -= cost
            chosen[edge] = None
            if node not in inside:
                inside.add(node)
                self._reach(store, query, [node], prizes, fit, rim)
        edges = np.array(list(chosen), np.int64)
        return Retrieved(edges, np.linspace(1.0, 0.0, len(edges)), tuple(walks))

    def _reach(
        self,
        store: GraphStore,
        query: Query,
        nodes: Sequence[int],
        prizes: np.typing.NDArray[np.float64],
        fit: np.typing.NDArray[np.float64],
        rim: list[tuple[float, int, int]],
    ) -> None:
        found = store.neighbourhood(nodes, query.where)
        top = float(prizes.max()) or 1.0
        at = np.asarray(nodes, np.int64)[found.origins]
        values = np.sqrt(prizes[at] * prizes[found.neighbours]) / top + fit[found.labels // 2]
        best = np.argsort(-values, kind="stable")[:_RIM]
        for one in best.tolist():
            heapq.heappush(rim, (-float(values[one]), int(found.edges[one]), int(found.neighbours[one])))

    def _tokens(self, store: GraphStore, edges: Sequence[int]) -> int:
        return sum(self._count(f"{one.line}\n") for one in sentences(store, edges))


class PageRankEdges(GraphRetriever):
    """Edges between the nodes that personalised PageRank ranks highest from the mentioned ones.

    Args:
        nodes: how many nodes to keep.
        damping: probability that the walk goes on.
    """

    def __init__(self, nodes: int = 60, *, damping: float = 0.5) -> None:
        self._nodes = nodes
        self._damping = damping

    def retrieve(self, store: GraphStore, query: Query) -> Retrieved:
        seeds = query.seeds
        if not seeds:
            return Retrieved.nothing()
        scores = personalised_pagerank(store, dict.fromkeys(seeds, 1.0), damping=self._damping)
        best = np.argsort(-scores, kind="stable")[: self._nodes]
        best = best[scores[best] > 0]
        found = store.neighbourhood(best, query.where)
        found = found.where(np.isin(found.neighbours, best))
        fit = relation_scores(query.text, store.types, store.schema)
        top = float(scores.max()) or 1.0
        values = np.sqrt(scores[best[found.origins]] * scores[found.neighbours]) / top + fit[found.labels // 2]
        return Retrieved.ranked(found.edges, values)
