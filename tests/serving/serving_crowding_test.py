"""A real vLLM with hardly any room for keys and values, and one whose reader is slow."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import cast

import anyio
import pytest
import pytest_asyncio

from agentrt.serving import ChatVLLM, Ngram, ServerSettings, open_model
from agentrt.serving.errors import ContextTooLong, ServerStartFailed
from agentrt.serving.metrics import read_stats

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(1200)]

# Five blocks of 128 tokens, one of them vLLM's own: room for one request of the full length, not for two.
_CONTEXT = 512
_CRAMPED = ServerSettings(
    dtype="float32",
    max_model_len=_CONTEXT,
    speculation=Ngram(),
    extra=("--num-gpu-blocks-override", "5", "--block-size", "128"),
)
_STORY = "Write a long story about a river, and never stop."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cramped() -> AsyncGenerator[ChatVLLM]:
    async with open_model("smollm2-135m", settings=_CRAMPED, temperature=0.0) as model:
        yield cast("ChatVLLM", model)


async def preemptions(model: ChatVLLM) -> float:
    assert model.api_key is not None
    stats = await read_stats(model.base_url, model.api_key.get_secret_value())
    assert stats is not None
    return stats.preemptions


@pytest.mark.asyncio(loop_scope="module")
async def test_requests_that_do_not_fit_together_are_all_answered_in_full(cramped: ChatVLLM) -> None:
    alone = await cramped.ainvoke(_STORY, extra_body={"ignore_eos": True}, max_tokens=300)
    before = await preemptions(cramped)
    texts: list[str] = []

    async def ask() -> None:
        answer = await cramped.ainvoke(_STORY, extra_body={"ignore_eos": True}, max_tokens=300)
        assert answer.usage_metadata and answer.usage_metadata["output_tokens"] == 300
        texts.append(answer.text)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(ask)
    assert await preemptions(cramped) > before
    assert texts == [alone.text] * 6


@pytest.mark.asyncio(loop_scope="module")
async def test_what_can_never_fit_is_refused_and_the_server_goes_on(cramped: ChatVLLM) -> None:
    with pytest.raises(ContextTooLong, match=f"{_CONTEXT}"):
        await cramped.ainvoke("word " * 2 * _CONTEXT)
    with pytest.raises(ContextTooLong, match=f"{_CONTEXT}"):
        await cramped.ainvoke("Hello", max_tokens=4 * _CONTEXT)
    assert (await cramped.ainvoke("Hello", max_tokens=4)).text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cache_too_small_for_the_context_is_said_at_the_start() -> None:
    settings = ServerSettings(dtype="float32", max_model_len=2048, speculation=Ngram(), extra=_CRAMPED.extra)
    with pytest.raises(ServerStartFailed, match=r"(?i)max seq len|max_model_len"):
        async with open_model("smollm2-135m", settings=settings):
            pass


@pytest.mark.asyncio(loop_scope="module")
async def test_a_slow_reader_loses_nothing_and_holds_up_nobody(cramped: ChatVLLM) -> None:
    fast = "".join([chunk.text async for chunk in cramped.astream("Count to fifty.", max_tokens=60)])
    stream = cramped.astream("Count to fifty.", max_tokens=60)
    said = (await anext(stream)).text
    # Longer than the stream takes: what it said lies at the server and in the socket.
    for _ in range(4):
        assert (await cramped.ainvoke("Hello", max_tokens=40)).text
    said += "".join([chunk.text async for chunk in stream])
    assert said == fast
