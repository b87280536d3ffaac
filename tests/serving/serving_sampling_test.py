"""Requests that sample, with drafts, on a CPU: what vLLM 0.32 gets wrong there and `cpu_worker` puts right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
import pytest
import pytest_asyncio

from agentrt.serving import ChatVLLM, Ngram, ServerSettings, open_model

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

_RIVER = "The river is long and the boat is small. "
_REPEATED = ("Repeat: one two three one two three one two", _RIVER * 8, "1, 2, 3, 4, 1, 2, 3, 4, 1, 2")


@pytest_asyncio.fixture
async def in_pieces() -> AsyncIterator[ChatVLLM]:
    """Float32, so that texts do not depend on what shares a pass; prompts are read 256 tokens at a time."""
    extra = ("--max-num-batched-tokens", "256", "--no-enable-prefix-caching")
    settings = ServerSettings(dtype="float32", max_model_len=2048, speculation=Ngram(), extra=extra)
    async with open_model("smollm2-135m", settings=settings) as model:
        yield cast("ChatVLLM", model)


@pytest.mark.asyncio
async def test_seeded_prompts_that_are_read_in_pieces_leave_the_server_alive(smollm: ChatVLLM) -> None:
    async def ask(prompt: str) -> None:
        assert (await smollm.ainvoke(prompt, seed=7, temperature=1.0, max_tokens=2)).usage_metadata

    # More tokens than a pass takes: at least one of them is read in two pieces.
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(ask, f"{number}. {_RIVER * 120}")
    assert (await smollm.ainvoke("Still there?", max_tokens=2)).text
    await smollm.aclose()


@pytest.mark.slow
@pytest.mark.asyncio
async def test_what_a_seed_gives_depends_on_nothing_else(in_pieces: ChatVLLM) -> None:
    async def say(seed: int) -> str:
        return (await in_pieces.ainvoke(_RIVER * 60, seed=seed, temperature=1.0, max_tokens=16)).text

    alone = [await say(seed) for seed in (1, 2, 1)]
    assert alone[0] == alone[2] != alone[1]
    together: dict[int, str] = {}

    async def keep(seed: int) -> None:
        together[seed] = await say(seed)

    async with anyio.create_task_group() as group:
        for seed in (1, 2):
            group.start_soon(keep, seed)
    assert together == {1: alone[0], 2: alone[1]}


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "narrow", [{"temperature": 0.001}, {"temperature": 1.0, "top_k": 1}, {"temperature": 1.0, "top_p": 1e-6}], ids=str
)
async def test_drafted_tokens_are_sampled_as_the_request_says(in_pieces: ChatVLLM, narrow: dict[str, Any]) -> None:
    # Each of them leaves one token to choose: the likeliest.
    for prompt in _REPEATED:
        greedy = await in_pieces.ainvoke(prompt, temperature=0.0, max_tokens=32)
        sampled = await in_pieces.ainvoke(prompt, **narrow, max_tokens=32)
        assert sampled.text == greedy.text
