"""The three recipes of Optima: which kind of step each iteration takes, and what it lets through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from multiagent.errors import TrainingError
from multiagent.rewards import IDPO_WEIGHTS, ISFT_WEIGHTS, Weights
from multiagent.training.port import TrainSettings

Kind = Literal["sft", "dpo"]
"""What an iteration trains on: the best dialogues, or pairs out of trees of turns."""


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """How trees of turns are grown (Optima's iDPO).

    Attributes:
        expansions: nodes expanded, the root included.
        rollouts: dialogues completed from each.
        top: candidates the softmax chooses among.
        temperature: of that softmax over their values.
        apart: normalised edit distance that a node must have from every expanded one.
        merge: siblings nearer than this are one node.
        depth: turns beyond which nothing is expanded.
    """

    expansions: int = 8
    rollouts: int = 3
    top: int = 10
    temperature: float = 1.0
    apart: float = 0.25
    merge: float = 0.1
    depth: int = 10


@dataclass(frozen=True, slots=True)
class PairRules:
    """Which pairs are trained on: the best child is worth more than `least`, beats the worst by more than `gap`, and of
    those the selector keeps the share `keep`."""

    least: float = 0.4
    gap: float = 0.2
    keep: float = 0.5


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        name: `isft`, `idpo`, `isft-dpo`, or your own.
        steps: the kind of each iteration, in order.
        samples: dialogues a task for a supervised iteration.
        keep: share of the best dialogues that is kept (0.7 in the paper).
        weights: of the reward for supervised iterations, threshold included.
        weights_dpo: of the reward for preference iterations.
        pool: formats of the first iteration's dialogues; empty uses the run's own format throughout.
        tree: how trees grow.
        pairs: which pairs pass.
        train: how to train.
        concurrency: conversations at once.
        seed: of everything random.
        seeded: whether each conversation's model calls get a seed made from it. Off for a vLLM 0.32 on a CPU that
            agentrt did not start: it can die of a seeded request (decision 0074).
    """

    name: str
    steps: tuple[Kind, ...]
    samples: int = 8
    keep: float = 0.7
    weights: Weights = field(default_factory=Weights)
    weights_dpo: Weights = field(default_factory=Weights)
    pool: tuple[str, ...] = ("plain", "telegram", "list", "symbols")
    tree: TreeSettings = field(default_factory=TreeSettings)
    pairs: PairRules = field(default_factory=PairRules)
    train: TrainSettings = field(default_factory=TrainSettings)
    concurrency: int = 8
    seed: int = 0
    seeded: bool = True

    def seed_for(self, *parts: object) -> int | None:
        """The seed of a conversation, which depends on `seed`, the parts, and on nothing else; None where `seeded` is
        off."""
        return seed_of(self.seed, *parts) if self.seeded else None


RECIPES: Mapping[str, Recipe] = {
    "isft": Recipe("isft", ("sft",) * 6),
    "idpo": Recipe("idpo", ("dpo",) * 3),
    "isft-dpo": Recipe("isft-dpo", ("sft", "dpo") * 3),
}
"""The paper's recipes with Hotpot's weights."""


def recipe_named(name: str, *, family: str = "hotpot") -> Recipe:
    """A recipe of the paper with the weights it has for a family of tasks.

    Raises:
        TrainingError: there is no such recipe or family.
    """
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; there are: {', '.join(RECIPES)}")
    if family not in ISFT_WEIGHTS:
        raise TrainingError(f"there are no weights for {family!r}; there are: {', '.join(ISFT_WEIGHTS)}")
    debate = family in ("math", "gsm8k", "arc", "mmlu")
    settings = TrainSettings(lr_sft=2e-6 if debate else 2e-5)
    return replace(RECIPES[name], weights=ISFT_WEIGHTS[family], weights_dpo=IDPO_WEIGHTS[family], train=settings)


def seed_of(*parts: object) -> int:
    """A seed that depends on all parts and on nothing else."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:4])
