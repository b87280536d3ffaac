"""A tree of turns, MCTS-inspired: which node to expand next, and what each is worth. Pure; nothing here calls a model.

Optima's iDPO (Chen et al. 2024, section 2.4): expand by softmax over the best candidates, leave out leaves, their
parents and what is too like an expanded node, merge siblings that are nearly the same, value = mean over rollouts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from multiagent.training.recipe import TreeSettings
from multiagent.transcript import Transcript, Turn


@dataclass
class TurnNode:
    """A turn in its tree.

    Attributes:
        number: its place in `TurnTree.nodes`; the root is 0.
        parent: number of the node before; None for the root.
        turn: None for the root.
        depth: turns from the root.
        children: numbers, in the order they came.
        leaf: whether a dialogue ended here.
        expanded: whether rollouts began here.
    """

    number: int
    parent: int | None
    turn: Turn | None
    depth: int
    children: list[int] = field(default_factory=list[int])
    leaf: bool = False
    expanded: bool = False


@dataclass(frozen=True)
class Rollout:
    """One dialogue: the nodes it passed through, root first, its answer, and why it stopped."""

    path: tuple[int, ...]
    transcript: Transcript
    answer: str | None
    stop_reason: str


class TurnTree:
    """The tree of one task."""

    def __init__(self, question: str, settings: TreeSettings) -> None:
        self.question = question
        self.settings = settings
        self.nodes = [TurnNode(0, None, None, 0)]
        self.rollouts: list[Rollout] = []

    def transcript(self, number: int) -> Transcript:
        """The turns from the root to a node."""
        turns: list[Turn] = []
        node = self.nodes[number]
        while node.turn is not None and node.parent is not None:
            turns.append(node.turn)
            node = self.nodes[node.parent]
        return Transcript(self.question, tuple(reversed(turns)))

    def insert(self, start: int, transcript: Transcript, answer: str | None, stop_reason: str) -> Rollout:
        """Adds a dialogue that began with node `start`'s turns. Turns near a sibling's become that sibling."""
        path = [*self.path(start)]
        at = start
        for turn in transcript.regular[self.nodes[start].depth :]:
            at = self._child(at, turn)
            path.append(at)
        self.nodes[at].leaf = True
        rollout = Rollout(tuple(path), transcript, answer, stop_reason)
        self.rollouts.append(rollout)
        return rollout

    def path(self, number: int) -> tuple[int, ...]:
        """Numbers from the root to a node."""
        found = [number]
        while (parent := self.nodes[found[-1]].parent) is not None:
            found.append(parent)
        return tuple(reversed(found))

    def values(self, rewards: Sequence[float]) -> dict[int, float]:
        """The mean reward of the rollouts through each node.

        Args:
            rewards: one for each rollout. NaN leaves a rollout out.
        """
        through: dict[int, list[float]] = {}
        for rollout, reward in zip(self.rollouts, rewards, strict=True):
            if not math.isnan(reward):
                for number in rollout.path:
                    through.setdefault(number, []).append(reward)
        return {number: sum(found) / len(found) for number, found in through.items()}

    def visits(self, number: int) -> int:
        """Rollouts through a node."""
        return sum(number in rollout.path for rollout in self.rollouts)

    def candidates(self) -> list[int]:
        """Nodes that may be expanded: not expanded yet, no leaf, no parent of a leaf, unlike all that were."""
        if not self.nodes[0].expanded:
            return [0]
        expanded = [node.turn.text for node in self.nodes if node.expanded and node.turn is not None]
        return [node.number for node in self.nodes[1:] if self._may_expand(node, expanded)]

    def choose(self, values: Mapping[int, float], random: Random) -> int | None:
        """The next node to expand, by softmax over the values of the best candidates; None where there is none."""
        ranked = sorted(self.candidates(), key=lambda number: -values.get(number, 0.0))[: self.settings.top]
        if not ranked:
            return None
        best = values.get(ranked[0], 0.0)
        scale = self.settings.temperature
        weights = [math.exp((values.get(number, 0.0) - best) / scale) for number in ranked]
        return random.choices(ranked, weights)[0]

    def _may_expand(self, node: TurnNode, expanded: Sequence[str]) -> bool:
        if node.turn is None or node.expanded or node.leaf or node.depth >= self.settings.depth:
            return False
        if any(self.nodes[child].leaf for child in node.children):
            return False
        text = node.turn.text
        return all(edit_distance(text, other) >= self.settings.apart for other in expanded)

    def _child(self, parent: int, turn: Turn) -> int:
        for number in self.nodes[parent].children:
            known = self.nodes[number].turn
            if (
                known is not None
                and known.speaker == turn.speaker
                and edit_distance(known.text, turn.text) < self.settings.merge
            ):
                return number
        node = TurnNode(len(self.nodes), parent, turn, self.nodes[parent].depth + 1)
        self.nodes.append(node)
        self.nodes[parent].children.append(node.number)
        return node.number


def edit_distance(one: str, other: str) -> float:
    """Levenshtein distance over the longer length: 0 for equal texts, 1 for texts with nothing in common."""
    if one == other:
        return 0.0
    if not one or not other:
        return 1.0
    row = list(range(len(other) + 1))
    for at, left in enumerate(one, 1):
        diagonal, row[0] = row[0], at
        for to, right in enumerate(other, 1):
            diagonal, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, diagonal + (left != right))
    return row[-1] / max(len(one), len(other))
