"""Chooses what to train on: the best dialogues, or pairs of sibling turns. The selector of pairs is pluggable, because
the best value need not make the best lesson (DITS, 2026, finds it can do worse than chance)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

from multiagent.training.port import ModelAt, SftRow
from multiagent.training.recipe import PairRules
from multiagent.trajectories import Message, Pair, Rating, Trajectory


def best_dialogues(
    nodes: Sequence[Trajectory], ratings: Mapping[str, Rating], *, keep: float, threshold: float
) -> list[Trajectory]:
    """Optima's choice for iSFT: the best dialogue of each task, of those the best share `keep`, and of those the ones
    worth `threshold` at least. Best first."""
    best: dict[str, Trajectory] = {}
    for node in nodes:
        if not node.whole or node.id not in ratings:
            continue
        known = best.get(node.task)
        if known is None or ratings[node.id].value > ratings[known.id].value:
            best[node.task] = node
    ranked = sorted(best.values(), key=lambda node: -ratings[node.id].value)
    # At least one survives the cut, so that a run on a single task can learn at all.
    kept = ranked[: max(1, round(len(ranked) * keep))]
    return [node for node in kept if ratings[node.id].value >= threshold]


def sft_rows(dialogues: Sequence[Trajectory]) -> list[SftRow]:
    """One row for each agent's side of each dialogue."""
    return [SftRow(chat) for node in dialogues for chat in node.chats.values()]


class PairSelector(ABC):
    """Keeps a share of the pairs that passed the rules."""

    @abstractmethod
    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """How much each pair is wanted."""

    def for_model(self, model: ModelAt) -> PairSelector:
        """The selector for the model that is trained next; most do not look at it."""
        del model
        return self

    def select(self, pairs: Sequence[Pair], keep: float) -> list[Pair]:
        """The best share `keep` of the pairs, at least one, best first."""
        scores = self.score(pairs)
        ranked = sorted(range(len(pairs)), key=lambda at: -scores[at])
        return [pairs[at] for at in ranked[: max(1, round(len(pairs) * keep))]] if pairs else []


class ByValue(PairSelector):
    """Optima's own: the pairs whose better turn has the highest value (`q`)."""

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        return [pair.value_chosen for pair in pairs]


@dataclass
class AtRandom(PairSelector):
    """Any of them (`random`)."""

    seed: int = 0

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        random = Random(self.seed)
        return [random.random() for _ in pairs]


@dataclass
class ByInfluence(PairSelector):
    """Those that a function of the model and the pairs expects to help most (`influence`), as
    `agentrt.training.mutual_influence` does."""

    influence: Callable[[ModelAt | None, Sequence[Pair]], list[float]]
    model: ModelAt | None = None

    def for_model(self, model: ModelAt) -> PairSelector:
        return replace(self, model=model)

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        return self.influence(self.model, pairs)


def tree_pairs(nodes: Sequence[Trajectory], ratings: Mapping[str, Rating], rules: PairRules) -> list[Pair]:
    """The best and the worst child of each node, where they pass the rules. Both are turns of the same speaker."""
    found: list[Pair] = []
    for children in _siblings(nodes, ratings):
        ranked = sorted(children, key=lambda node: -ratings[node.id].value)
        best, worst = ranked[0], ranked[-1]
        values = ratings[best.id].value, ratings[worst.id].value
        if values[0] > rules.least and values[0] - values[1] > rules.gap:
            prompt, chosen = _last_turn(best)
            _, rejected = _last_turn(worst)
            found.append(
                Pair(prompt, chosen, rejected, *values, source="optima", task=best.task, iteration=best.iteration)
            )
    return found


def refuel_rows(nodes: Sequence[Trajectory], ratings: Mapping[str, Rating]) -> list[dict[str, Any]]:
    """Rows for REFUEL (Gao et al. 2024): two ways on from one shared prefix with their rewards-to-go, which the method
    regresses the difference of log-ratios on. No filter: bad pairs carry signal too."""
    rows: list[dict[str, Any]] = []
    for children in _siblings(nodes, ratings):
        for one, other in pairwise(children):
            prompt, first = _last_turn(one)
            _, second = _last_turn(other)
            rows.append(
                {
                    "prompt": prompt,
                    "responses": [first, second],
                    "rewards_to_go": [ratings[one.id].value, ratings[other.id].value],
                    "task": one.task,
                }
            )
    return rows


def without_displacement(pairs: Sequence[Pair], scores: Sequence[float], *, drop: float = 0.1) -> list[Pair]:
    """Leaves out the share `drop` of pairs with the highest CHES score: those whose two messages the model holds for
    nearly the same, where DPO pushes both down (Razin et al. 2024).

    Raises:
        ValueError: there is not one score a pair.
    """
    if len(scores) != len(pairs):
        raise ValueError(f"{len(pairs)} pairs need as many scores, not {len(scores)}")
    dropped = set(sorted(range(len(pairs)), key=lambda at: -scores[at])[: int(len(pairs) * drop)])
    return [pair for at, pair in enumerate(pairs) if at not in dropped]


def _siblings(nodes: Sequence[Trajectory], ratings: Mapping[str, Rating]) -> list[list[Trajectory]]:
    """Rated turns after one and the same turn and by one speaker, in groups of two or more."""
    groups: dict[tuple[str, str], list[Trajectory]] = {}
    for node in nodes:
        if node.parent is not None and node.chats and node.id in ratings and not node.whole:
            groups.setdefault((node.parent, node.transcript[-1].speaker), []).append(node)
    return [group for group in groups.values() if len(group) > 1]


def _last_turn(node: Trajectory) -> tuple[list[Message], list[Message]]:
    """A node's last turn as its speaker saw it: the prompt, and the message with its tool rounds."""
    chat = list(node.chats[node.transcript[-1].speaker])
    at = max(index for index, message in enumerate(chat) if message["role"] == "user")
    return chat[: at + 1], chat[at + 1 :]
