"""What an engine is asked for, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agentrt.serving.rsd.errors import InvalidRequest, InvalidSampling

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the target's distribution is turned into tokens.

    Attributes:
        temperature: 0 takes the most probable token; otherwise logits are divided by it.
        top_k: keep the k most probable tokens; 0 keeps all.
        top_p: keep the smallest set of tokens that holds this probability (after top-k), in (0, 1].
        max_tokens: tokens to write at most.
        seed: makes the request's text repeatable, whoever shares the batch; None draws a fresh one.
        stop: strings that end the text; they are not part of it.
        logprobs: report log p of every token under the target, before temperature and truncation.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidSampling(f"temperature is {self.temperature}: use 0 (greedy) or a positive number")
        if self.top_k < 0:
            raise InvalidSampling(f"top_k is {self.top_k}: use 0 (all tokens) or a positive number")
        if not 0 < self.top_p <= 1:
            raise InvalidSampling(f"top_p is {self.top_p}: use a number above 0 and up to 1")
        if self.max_tokens < 1:
            raise InvalidSampling(f"max_tokens is {self.max_tokens}: ask for at least one token")
        if self.seed is not None and self.seed < 0:
            raise InvalidSampling(f"seed is {self.seed}: use a number from 0 upwards")
        if not all(self.stop):
            raise InvalidSampling("a stop string is empty: it would end every text before its first token")


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt with its settings.

    Attributes:
        prompt: token ids, at least one.
        sampling: settings.
        end: token ids that end the text; they are part of the tokens, not of the text.
    """

    prompt: Sequence[int]
    sampling: Sampling = field(default_factory=Sampling)
    end: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not len(self.prompt):
            raise InvalidRequest("the prompt has no tokens: give at least a start token")


@dataclass(frozen=True, slots=True)
class Progress:
    """What one round added to one request.

    Attributes:
        request: the id `Engine.add` gave.
        tokens: new token ids.
        logprobs: their log-probabilities, or empty when not asked for.
        text: new text that can no longer be taken back by a stop string; empty without a tokenizer.
        finish: why the request ended, None while it goes on.
    """

    request: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish: FinishReason | None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer: tokens, their log-probabilities (if asked for), text, and why it ended."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish: FinishReason
