"""One request inside the engine: its tokens, its noise, its text so far."""

from __future__ import annotations

import numpy as np

from agentrt.serving.rsd.request import Completion, FinishReason, Progress, Request
from agentrt.serving.rsd.text import Decoder, TextStream


class Sequence:
    """State of a running request.

    Attributes:
        tokens: prompt and answer. All but the last are in the target's cache.
        drafted: how many of them are in the draft's cache.
        generator: its own noise source, so that its text does not depend on who shares the batch.
    """

    def __init__(self, number: int, request: Request, decoder: Decoder | None, limit: int) -> None:
        self.number = number
        self.request = request
        self.tokens = [int(token) for token in request.prompt]
        self.drafted = 0
        self.started = False
        self.cancelled = False
        self.generator = np.random.default_rng(request.sampling.seed)
        self._text = TextStream(decoder, request.sampling.stop)
        self._prompt = len(self.tokens)
        self._room = min(request.sampling.max_tokens, limit - self._prompt)
        self._logprobs: list[float] = []
        self._said: list[str] = []
        self.finish: FinishReason | None = None

    @property
    def noise(self) -> np.random.Generator | None:
        """Generator for drafting; None at temperature 0."""
        return self.generator if self.request.sampling.temperature > 0 else None

    def extend(self, tokens: list[int], logprobs: list[float]) -> Progress:
        """Take a round's tokens up to an end token, a stop string or the limit."""
        taken = 0
        for token in tokens:
            taken += 1
            if token in self.request.end:
                self.finish = "stop"
                break
            self._text.push(token)
            if self._text.stopped:
                self.finish = "stop"
                break
            if len(self.tokens) - self._prompt + taken == self._room:
                self.finish = "length"
                break
        self.tokens += tokens[:taken]
        self._logprobs += logprobs[:taken]
        return self._progress(taken, logprobs)

    def cancel(self) -> Progress:
        """End it where it stands."""
        self.finish = "cancelled"
        return self._progress(0, [])

    def completion(self) -> Completion:
        """The whole answer of a finished request."""
        assert self.finish is not None
        answer = tuple(self.tokens[self._prompt :])
        return Completion(answer, tuple(self._logprobs), "".join(self._said), self.finish)

    def _progress(self, taken: int, logprobs: list[float]) -> Progress:
        text = self._text.take(final=self.finish is not None)
        self._said.append(text)
        new = self.tokens[len(self.tokens) - taken :]
        return Progress(self.number, tuple(new), tuple(logprobs[:taken]), text, self.finish)
