"""Tool calls that the model decides for, from a real server: Qwen2.5-Coder writes them as JSON in a code fence."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool

from agentrt.serving import ChatVLLM

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(600)]


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"sunny in {location}"


async def _streamed(server: ChatVLLM, asked: str) -> tuple[AIMessageChunk, int]:
    """The whole answer, and in how many pieces text came."""
    model: Any = server.model_copy(update={"temperature": 0.0, "max_tokens": 96}).bind_tools([get_weather])
    whole: AIMessageChunk | None = None
    pieces = 0
    async for chunk in model.astream(asked):
        pieces += bool(chunk.text)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole, pieces


@pytest.mark.asyncio
async def test_a_call_in_a_code_fence_is_a_call_in_a_stream_too(qwen_server: ChatVLLM) -> None:
    whole, pieces = await _streamed(qwen_server, "What is the weather in San Francisco, CA?")
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("get_weather", {"location": "San Francisco, CA"})
    ]
    assert (whole.text, pieces) == ("", 0)
    assert whole.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.asyncio
async def test_code_stays_text_where_a_tool_could_be_called(qwen_server: ChatVLLM) -> None:
    whole, pieces = await _streamed(qwen_server, "Write a short JSON example with a name and an age, in a code fence.")
    assert not whole.tool_calls
    assert whole.text.count("```") == 2
    assert pieces > 5
