"""Rates what was collected: dialogues against the others on their task, tree nodes by the rollouts through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multiagent.errors import RewardError
from multiagent.rewards import Measured, Reward, RewardParts
from multiagent.training.tasks import Task
from multiagent.trajectories import Rating, Trajectory, TrajectoryStore


@dataclass(frozen=True, slots=True)
class Ranked:
    """What rating an iteration came to.

    Attributes:
        dialogues: rated.
        unrated: left out because their reward is not a finite number.
        reward: mean over the rated dialogues.
        task: mean of the task metric.
        tokens: mean tokens a dialogue.
    """

    dialogues: int
    unrated: int
    reward: float
    task: float
    tokens: float


async def rank(
    store: TrajectoryStore, tasks: Sequence[Task], iteration: int, reward: Callable[[Task], Reward]
) -> Ranked:
    """Rates every trajectory of an iteration and stores the ratings."""
    totals: list[tuple[RewardParts, int]] = []
    unrated = 0
    for task in tasks:
        nodes = list(store.trajectories(iteration=iteration, task=task.id))
        whole = [node for node in nodes if node.whole]
        parts = await _rate(whole, task, reward(task))
        rated = {node.id: found for node, found in zip(whole, parts, strict=True) if found is not None}
        unrated += len(whole) - len(rated)
        totals += [(rated[node.id], node.transcript.tokens) for node in whole if node.id in rated]
        ratings = [Rating(name, found.total, found) for name, found in rated.items()]
        ratings += [Rating(name, value) for name, value in _node_values(nodes, rated).items()]
        store.rate(ratings)
    return Ranked(
        dialogues=len(totals),
        unrated=unrated,
        reward=_mean([found.total for found, _ in totals]),
        task=_mean([found.task for found, _ in totals]),
        tokens=_mean([float(tokens) for _, tokens in totals]),
    )


async def _rate(whole: Sequence[Trajectory], task: Task, reward: Reward) -> list[RewardParts | None]:
    """Rewards of one task's dialogues; None where one cannot be had. One bad dialogue does not spoil the others."""
    measured: list[Measured | None] = []
    for node in whole:
        try:
            measured += await reward.measure([(node.answer, node.transcript)], task.references)
        except RewardError:
            measured.append(None)
    good = [one for one in measured if one is not None and _finite(one)]
    rewards = iter(reward.combine(good))
    return [next(rewards) if one is not None and _finite(one) else None for one in measured]


def _finite(one: Measured) -> bool:
    return math.isfinite(one.task) and (one.loss is None or (math.isfinite(one.loss) and one.loss >= 0))


def _node_values(nodes: Sequence[Trajectory], rated: dict[str, RewardParts]) -> dict[str, float]:
    """Mean reward of the rollouts under each inner node."""
    parents = {node.id: node.parent for node in nodes}
    under: dict[str, list[float]] = {}
    for name, parts in rated.items():
        at = parents[name]
        while at is not None:
            under.setdefault(at, []).append(parts.total)
            at = parents.get(at)
    return {name: _mean(values) for name, values in under.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
