"""How well texts read to a frozen model: mean token cross-entropy, from torch or from a server's prompt logprobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import anyio
from anyio import to_thread

from agentrt.training.checkpoint import device_of, load
from multiagent.errors import RewardError
from multiagent.rewards import Readability


class TorchReadability(Readability):
    """A checkpoint folder, loaded on first use and kept."""

    def __init__(self, model: str | Path, *, device: str = "auto", batch: int = 8) -> None:
        self._path = model
        self._device = device
        self._batch = batch
        self._loaded: tuple[Any, Any] | None = None
        self._lock = anyio.Lock()

    async def losses(self, texts: Sequence[str]) -> list[float]:
        """Mean cross-entropy of each text's tokens after its first, in nats; the first is predicted from BOS if any."""
        async with self._lock:
            return await to_thread.run_sync(self._losses, list(texts))

    def _losses(self, texts: list[str]) -> list[float]:
        if self._loaded is None:
            self._loaded = load(self._path, device_of(self._device))
            self._loaded[0].eval()
        found: list[float] = []
        for at in range(0, len(texts), self._batch):
            found += _batch_losses(*self._loaded, texts[at : at + self._batch])
        return found


class EndpointReadability(Readability):
    """An OpenAI-compatible vLLM server, asked for the logprobs of prompts (`prompt_logprobs`)."""

    def __init__(self, base_url: str, model: str, *, api_key: str = "none", concurrency: int = 8) -> None:
        self._base_url = base_url
        self._model = model
        self._api_key = api_key
        self._limiter = anyio.CapacityLimiter(concurrency)

    async def losses(self, texts: Sequence[str]) -> list[float]:
        """Mean cross-entropy of each text's tokens, in nats.

        Raises:
            RewardError: the server gives no prompt logprobs.
        """
        from openai import AsyncOpenAI

        replies: list[object] = [None] * len(texts)
        async with AsyncOpenAI(base_url=self._base_url, api_key=self._api_key) as client:

            async def one(at: int, text: str) -> None:
                async with self._limiter:
                    reply = await client.completions.create(
                        model=self._model, prompt=text, max_tokens=1, extra_body={"prompt_logprobs": 0}
                    )
                replies[at] = getattr(reply.choices[0], "prompt_logprobs", None)

            async with anyio.create_task_group() as group:
                for at, text in enumerate(texts):
                    group.start_soon(one, at, text)
        return [mean_loss(reply) for reply in replies]


def mean_loss(prompt_logprobs: object) -> float:
    """The mean cross-entropy in vLLM's `prompt_logprobs`: for each token a map from its id to its logprob, and None for
    the first token, which nothing predicts.

    Raises:
        RewardError: there are none.
    """
    if not isinstance(prompt_logprobs, list):
        raise RewardError("the server gives no prompt logprobs; readability needs vLLM, or a model in this process")
    entries = cast(list[Mapping[str, Mapping[str, float]] | None], prompt_logprobs)
    # With prompt_logprobs=0 each map holds the actual token alone.
    losses = [-float(next(iter(entry.values()))["logprob"]) for entry in entries if entry]
    return sum(losses) / len(losses) if losses else 0.0


def _batch_losses(model: Any, tokenizer: Any, texts: list[str]) -> list[float]:
    import torch

    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    ids = [[*begin, *tokenizer(text, add_special_tokens=False)["input_ids"]] for text in texts]
    longest = max(len(row) for row in ids)
    filled = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in ids], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=filled, attention_mask=mask).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), filled[:, 1:], reduction="none") * mask[:, 1:]
    counts = mask[:, 1:].sum(1).clamp(min=1)
    return [float(value) for value in losses.sum(1) / counts]
