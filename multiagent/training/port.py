"""What a training run needs from outside: something that trains a model, and something that opens one to speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from multiagent.trajectories import Message, Pair

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ModelAt: TypeAlias = "str | Path"
"""A checkpoint folder, or another name that `OpenModel` and the trainer both know."""

OpenModel: TypeAlias = "Callable[[ModelAt], AbstractAsyncContextManager[BaseChatModel]]"
"""Opens a checkpoint as a chat model for as long as the block lasts."""


@dataclass(frozen=True)
class SftRow:
    """One agent's side of a dialogue. Its own turns are `assistant` and trained on; everything else is read only."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train. The defaults are the paper's for question answering, scaled down to one machine.

    Attributes:
        lr_sft: learning rate of supervised steps.
        lr_preference: learning rate of preference steps.
        epochs: over the rows.
        batch: rows a step, reached by accumulation.
        micro_batch: rows at once.
        max_length: tokens a row; longer ones are left out and counted.
        lora: rank of the LoRA adapters, merged into the checkpoint at the end; None trains all weights.
        loss: preference loss: `dpo`, or `simpo`, which needs no reference model.
        beta: of DPO or SimPO.
        nll: weight of the likelihood of the chosen message beside the DPO loss (α).
        simpo_gamma: SimPO's margin.
        seed: of everything random.
        device: `cpu`, `cuda`, or `auto`.
    """

    lr_sft: float = 2e-5
    lr_preference: float = 5e-7
    epochs: float = 1.0
    batch: int = 64
    micro_batch: int = 4
    max_length: int = 2048
    lora: int | None = None
    loss: Literal["dpo", "simpo"] = "dpo"
    beta: float = 0.1
    nll: float = 1.0
    simpo_gamma: float = 0.5
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, slots=True)
class TrainOutcome:
    """What a training step did.

    Attributes:
        rows: trained on.
        left_out: too long.
        steps: optimiser steps.
        first_loss: of the first step.
        last_loss: of the last.
        seconds: wall time.
    """

    rows: int
    left_out: int
    steps: int
    first_loss: float
    last_loss: float
    seconds: float


class Trainer(ABC):
    """Trains a checkpoint folder into another. Blocking: the loop calls it in a worker thread."""

    @abstractmethod
    def sft(self, rows: Sequence[SftRow], *, model: ModelAt, output: Path, settings: TrainSettings) -> TrainOutcome:
        """Supervised fine-tuning on the assistant turns.

        Raises:
            TrainingError: no row fits, or the loss is not finite.
        """

    @abstractmethod
    def prefer(self, pairs: Sequence[Pair], *, model: ModelAt, output: Path, settings: TrainSettings) -> TrainOutcome:
        """Preference optimisation on pairs. Raises as `sft`."""
