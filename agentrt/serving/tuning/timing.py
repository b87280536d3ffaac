"""Timing requests against a model: one by one, and all at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from agentrt.serving.chat_model import ChatVLLM
from agentrt.serving.metrics import Stats, read_stats
from agentrt.serving.tuning.workload import Workload


@dataclass(slots=True)
class Measured:
    """What some requests took.

    Attributes:
        seconds: For each request from its start to its last token; at once, for the whole round.
        first: Seconds to the first token, for each request.
        gaps: Longest wait between two pieces of each stream, in seconds.
        tokens: Tokens written, over all requests.
        texts: The answers.
        stats: What the server counted meanwhile.
    """

    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    tokens: int = 0
    texts: list[str] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / sum(self.seconds)

    @property
    def median(self) -> float:
        """Seconds, the median of `seconds`."""
        return statistics.median(self.seconds)


def sum_of(parts: Sequence[Measured]) -> Measured:
    """Several rounds as one."""
    whole = Measured()
    for part in parts:
        whole.seconds += part.seconds
        whole.first += part.first
        whole.gaps += part.gaps
        whole.texts += part.texts
        whole.tokens += part.tokens
        whole.stats = _sum(whole.stats, part.stats)
    return whole


async def ask(model: ChatVLLM, workload: Workload, number: int, into: Measured, **options: Any) -> float:
    """One streamed request, recorded; returns its seconds."""
    began = last = time.perf_counter()
    first = None
    gap = 0.0
    text = ""
    prompt = workload.prompts[number % len(workload.prompts)]
    async for chunk in model.astream(prompt, **{**workload.options, **options}):
        now = time.perf_counter()
        if chunk.text:
            if first is None:
                first = now - began
            else:
                gap = max(gap, now - last)
            last = now
            text += chunk.text
        if chunk.usage_metadata:
            into.tokens += chunk.usage_metadata["output_tokens"]
    into.first.append(first if first is not None else last - began)
    into.gaps.append(gap)
    into.texts.append(text)
    return time.perf_counter() - began


async def one_by_one(model: ChatVLLM, workload: Workload, numbers: range, into: Measured) -> None:
    """Requests after one another; adds to `into`."""
    before = await _stats(model)
    for number in numbers:
        into.seconds.append(await ask(model, workload, number, into))
    into.stats = _sum(into.stats, await _stats(model) - before)


async def at_once(model: ChatVLLM, workload: Workload, numbers: range, streams: int, into: Measured) -> None:
    """Requests, `streams` of them at a time; adds one round to `into`."""
    before = await _stats(model)
    waiting = list(numbers)

    async def work() -> None:
        while waiting:
            await ask(model, workload, waiting.pop(0), into)

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(streams):
            group.start_soon(work)
    into.seconds.append(time.perf_counter() - began)
    into.stats = _sum(into.stats, await _stats(model) - before)


async def _stats(model: ChatVLLM) -> Stats:
    key = model.api_key.get_secret_value() if model.api_key else ""
    return await read_stats(model.base_url, key) or Stats()


def _sum(one: Stats, other: Stats) -> Stats:
    return Stats(**{name: getattr(one, name) + getattr(other, name) for name in Stats.__dataclass_fields__})
