"""What a dialogue is worth: Optima's reward (Chen et al. 2024), with every term guarded.

    R = R_task − λ_tok · tokens / max_k tokens_k + λ_loss / R_loss

`tokens / max` compares the dialogues sampled for one task; `R_loss` is the highest mean token cross-entropy, over the
dialogue's turns, under the frozen model that training began with: what it finds hard to predict, people find hard
to read.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from multiagent.errors import RewardError, RewardNotFinite
from multiagent.metrics import Metric, f1
from multiagent.transcript import Transcript
from multiagent.until import alike


class Readability(ABC):
    """The frozen model that says how well a text reads."""

    @abstractmethod
    async def losses(self, texts: Sequence[str]) -> list[float]:
        """Mean token cross-entropy of each text, in nats."""


@dataclass(frozen=True, slots=True)
class Weights:
    """λ_tok, λ_loss, and θ, the least reward a dialogue must have to be trained on by iSFT."""

    tokens: float = 0.6
    loss: float = 1.0
    threshold: float = 0.5


ISFT_WEIGHTS: Mapping[str, Weights] = {
    "hotpot": Weights(0.6, 1.0, 0.5),
    "2wiki": Weights(0.6, 1.0, 0.5),
    "cbt": Weights(0.6, 1.0, 0.5),
    "trivia": Weights(0.6, 1.0, 0.6),
    "math": Weights(0.4, 0.9, 0.6),
    "gsm8k": Weights(0.4, 0.9, 0.6),
    "arc": Weights(0.5, 0.6, 0.6),
    "mmlu": Weights(0.6, 0.7, 0.6),
}
"""The paper's weights for iSFT, by task family."""

IDPO_WEIGHTS: Mapping[str, Weights] = {
    "hotpot": Weights(0.6, 1.0),
    "2wiki": Weights(0.6, 1.0),
    "cbt": Weights(0.6, 1.0),
    "trivia": Weights(0.6, 1.0),
    "math": Weights(0.5, 0.7),
    "gsm8k": Weights(0.6, 0.7),
    "arc": Weights(0.4, 0.7),
    "mmlu": Weights(0.6, 0.7),
}
"""The paper's weights for iDPO; its filters are those of the pair rules, not a threshold on one dialogue."""


@dataclass(frozen=True, slots=True)
class RewardParts:
    """A reward and what it is made of; `total = task - tokens + readability - penalty`."""

    task: float
    tokens: float
    readability: float
    penalty: float
    total: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a reward looks at in one dialogue.

    Attributes:
        task: the task metric.
        tokens: tokens written.
        loss: R_loss in nats; None where no readability model was asked.
        repeats: whether a turn repeats an earlier one.
        speaks_for_other: whether an agent wrote lines in another's name.
    """

    task: float
    tokens: int
    loss: float | None = None
    repeats: bool = False
    speaks_for_other: bool = False


@dataclass(frozen=True)
class Reward:
    """Rates the dialogues of one task against each other.

    Attributes:
        metric: R_task, from 0 to 1.
        weights: λ_tok and λ_loss.
        readability: the frozen model; None leaves the readability term out.
        least_tokens: a dialogue shorter than this pays the whole token term: it saved by saying nothing.
        most_tokens: a longer one pays the whole token term too.
        speaks_for_other: taken off where an agent spoke for its partner.
        least_loss: R_loss counts as at least this, so that a text known by heart is not worth without bound.
    """

    metric: Metric = f1
    weights: Weights = field(default_factory=Weights)
    readability: Readability | None = None
    least_tokens: int = 40
    most_tokens: int = 2048
    speaks_for_other: float = 1.0
    least_loss: float = 0.1

    def combine(self, group: Sequence[Measured]) -> list[RewardParts]:
        """The rewards of dialogues on one task.

        Raises:
            RewardNotFinite: a metric or loss is NaN or infinite.
            RewardError: a loss is negative.
        """
        most = max((dialogue.tokens for dialogue in group), default=0)
        return [self._one(dialogue, most) for dialogue in group]

    def _one(self, dialogue: Measured, most: int) -> RewardParts:
        if not math.isfinite(dialogue.task):
            raise RewardNotFinite("task metric", dialogue.task)
        degenerate = dialogue.tokens < self.least_tokens or dialogue.tokens > self.most_tokens
        share = 1.0 if degenerate or most == 0 else dialogue.tokens / most
        readability = 0.0
        if dialogue.loss is not None and self.weights.loss:
            if not math.isfinite(dialogue.loss):
                raise RewardNotFinite("readability loss", dialogue.loss)
            if dialogue.loss < 0:
                raise RewardError(f"a readability loss of {dialogue.loss} cannot be: cross-entropy is not negative")
            readability = 0.0 if dialogue.repeats else self.weights.loss / max(dialogue.loss, self.least_loss)
        tokens = self.weights.tokens * share
        penalty = self.speaks_for_other if dialogue.speaks_for_other else 0.0
        return RewardParts(dialogue.task, tokens, readability, penalty, dialogue.task - tokens + readability - penalty)

    async def measure(
        self, dialogues: Sequence[tuple[str | None, Transcript]], reference: str | Sequence[str]
    ) -> list[Measured]:
        """Looks at dialogues on one task, each an answer and its transcript; one call of the readability model."""
        texts = [[turn.text for turn in transcript if turn.text] for _, transcript in dialogues]
        distinct = list(dict.fromkeys(text for spoken in texts for text in spoken))  # small models echo each other
        found: list[float | None] = [None] * len(dialogues)
        if self.readability is not None and distinct:
            losses = dict(zip(distinct, await self.readability.losses(distinct), strict=True))
            found = [max((losses[text] for text in spoken), default=None) for spoken in texts]
        return [
            Measured(
                task=self.metric(answer, reference),
                tokens=transcript.tokens,
                loss=loss,
                repeats=repeats(transcript),
                speaks_for_other=any("speaks_for_other" in turn.flags for turn in transcript),
            )
            for (answer, transcript), loss in zip(dialogues, found, strict=True)
        ]

    async def rate(
        self, dialogues: Sequence[tuple[str | None, Transcript]], reference: str | Sequence[str]
    ) -> list[RewardParts]:
        """`measure` and `combine` in one.

        Raises:
            RewardError: as `combine`.
        """
        return self.combine(await self.measure(dialogues, reference))


def repeats(transcript: Transcript, likeness: float = 0.95) -> bool:
    """Whether a turn says again what an earlier one said. Two agents giving the same answer do not repeat."""
    spoken = [turn for turn in transcript.regular if turn.text.strip()]
    return any(
        alike(one.text, other.text, likeness) and not (one.answer is not None and one.speaker != other.speaker)
        for at, one in enumerate(spoken)
        for other in spoken[:at]
    )
