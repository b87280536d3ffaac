"""Drafts change nothing but the time: SmolLM2-135M in float32 on vLLM, each method that runs here beside none.

A model drafting for itself stands for `draft_model`: every draft is right, so every path that takes one is taken.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio
from langchain_core.tools import tool

from agentrt.serving import (
    CATALOGUE,
    ChatVLLM,
    DraftModel,
    Lookup,
    Ngram,
    Off,
    ServerSettings,
    Speculation,
    Suffix,
    open_model,
)
from agentrt.serving.convert import checkpoint_path
from agentrt.serving.metrics import read_stats
from agentrt.serving.tuning.workload import PLAN

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(1200)]

_DRAFT = str(checkpoint_path(CATALOGUE["smollm2-135m"], "bf16"))
_PROMPTS = ("Name three rivers.", "Repeat: one two three one two three one two", "Write a loop in Python.", "Hello!")
_SCHEMA = {"title": "city", "type": "object", "properties": {"name": {"type": "string", "maxLength": 20}}}
_METHODS: tuple[Speculation, ...] = (Lookup(), Ngram(4, load=()), Ngram(4), DraftModel(_DRAFT, 3), Suffix())


def served(method: Speculation) -> AsyncIterator[ChatVLLM]:
    settings = ServerSettings(dtype="float32", max_model_len=2048, speculation=method)
    return cast("AsyncIterator[ChatVLLM]", open_model("smollm2-135m", settings=settings, temperature=0.0))


@pytest_asyncio.fixture
async def off() -> AsyncIterator[ChatVLLM]:
    async with served(Off()) as model:  # pyright: ignore[reportGeneralTypeIssues]
        yield model


async def texts(model: ChatVLLM) -> list[str]:
    return [(await model.ainvoke(prompt, max_tokens=48)).text for prompt in _PROMPTS]


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@pytest.mark.asyncio
@pytest.mark.parametrize("method", _METHODS, ids=["lookup", "ngram", "ngram-by-load", "draft_model", "suffix"])
async def test_text_is_the_same_and_constraints_hold(off: ChatVLLM, method: Speculation) -> None:
    if isinstance(method, Suffix) and importlib.util.find_spec("arctic_inference") is None:
        pytest.skip("arctic-inference is not installed")
    async with served(method) as drafted:  # pyright: ignore[reportGeneralTypeIssues]
        assert await texts(drafted) == await texts(off)
        await holds(drafted)
        key = drafted.api_key.get_secret_value() if drafted.api_key else ""
        stats = await read_stats(drafted.base_url, key)
    assert stats is not None and stats.accepted_tokens > 0, "nothing was drafted, so nothing was tested"


async def holds(model: ChatVLLM) -> None:
    """JSON schema, tool calls, a streamed grammar: every answer parses. (Gaps in time are the benchmark's.)"""
    held = model.bind(response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": _SCHEMA}})
    answer = await held.ainvoke("Describe Paris in JSON.", max_tokens=60)
    assert answer.response_metadata["finish_reason"] == "length" or isinstance(json.loads(answer.text), dict)
    called = await model.bind_tools([add], tool_choice="add").ainvoke("What is 1 + 2?", max_tokens=60)
    assert [call["name"] for call in called.tool_calls] == ["add"]
    pieces = [chunk.text async for chunk in model.astream(PLAN.prompts[0], **PLAN.options) if chunk.text]
    plan = "".join(pieces)
    assert len(pieces) > 3
    assert re.match(r"[1-9]\. (weather|search|kg|convert|calc|flight|date)\(", plan)
