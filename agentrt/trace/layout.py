"""Where the nodes of a DAG go when it is drawn from left to right: pure arithmetic on ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

# More than these, and a further pass moves little.
_SWEEPS = 4


class Spot(NamedTuple):
    """A node's place: columns and rows, in units of a node with its margin. Both start at 0."""

    column: int
    row: float


def layout(needs: Mapping[str, Sequence[str]], *, tallest: int = 40) -> dict[str, Spot]:
    """A spot for each node, every node in a column right of all it needs.

    Layers are longest paths; their order follows the mean place of the neighbours (the barycentre heuristic
    of Sugiyama, Tagawa and Toda 1981), which leaves few crossings. A layer of more than `tallest` nodes is
    broken into several columns. Linear in nodes and edges, but for sorting.

    Args:
        needs: by node, the nodes it needs; those that are not keys themselves are left out.
        tallest: nodes in a column at most.
    """
    before = {name: [need for need in dict.fromkeys(wanted) if need in needs] for name, wanted in needs.items()}
    after: dict[str, list[str]] = {name: [] for name in before}
    for name, wanted in before.items():
        for need in wanted:
            after[need].append(name)
    layers = _layers(before, after)
    place = {name: float(index) for layer in layers for index, name in enumerate(layer)}
    for sweep in range(_SWEEPS):
        neighbours, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for layer in order:
            layer.sort(key=lambda name: fmean([place[one] for one in neighbours[name]] or [place[name]]))
            place.update((name, float(index)) for index, name in enumerate(layer))
    return _spots(layers, before, tallest)


def _layers(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[list[str]]:
    waiting = {name: len(wanted) for name, wanted in before.items()}
    depth = dict.fromkeys(before, 0)
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:  # grows while it is read
        for follower in after[name]:
            depth[follower] = max(depth[follower], depth[name] + 1)
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in before:
        layers[depth[name]].append(name)
    return layers


def _spots(layers: list[list[str]], before: Mapping[str, list[str]], tallest: int) -> dict[str, Spot]:
    spots: dict[str, Spot] = {}
    column = 0
    for layer in layers:
        for start in range(0, len(layer), tallest):
            part = layer[start : start + tallest]
            wished = [
                fmean([spots[need].row for need in before[name]] or [float(index)]) for index, name in enumerate(part)
            ]
            rows: list[float] = []
            for wish in wished:
                rows.append(max(wish, rows[-1] + 1) if rows else wish)
            shift = fmean(wish - row for wish, row in zip(wished, rows, strict=True))
            spots.update((name, Spot(column, row + shift)) for name, row in zip(part, rows, strict=True))
            column += 1
    top = min((spot.row for spot in spots.values()), default=0.0)
    return {name: Spot(spot.column, spot.row - top) for name, spot in spots.items()}
