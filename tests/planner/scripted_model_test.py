"""The shipped fake keeps to what real chat models do."""

from __future__ import annotations

import anyio
import pytest
from langchain_core.messages import HumanMessage

from planner.testing import ScriptedChatModel


@pytest.mark.asyncio
async def test_pieces_stop_strings_and_usage() -> None:
    model = ScriptedChatModel(replies=["one two three<END> four"], chunk=4)
    chunks = [chunk async for chunk in model.astream("a question here", stop=["<END>"])]
    assert [str(chunk.text) for chunk in chunks if chunk.text] == ["one ", "two ", "thre", "e"]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata == {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6}
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.asyncio
async def test_a_reply_waits_at_its_gates() -> None:
    gate = anyio.Event()
    model = ScriptedChatModel(replies=[["a", gate, "b"]])
    stream = model.astream("?")
    assert str((await anext(stream)).text) == "a"
    gate.set()
    assert str((await anext(stream)).text) == "b"
    await stream.aclose()


@pytest.mark.asyncio
async def test_the_limit_of_tokens_holds() -> None:
    model = ScriptedChatModel(replies=[(f"word {number} " for number in range(10**9))])
    chunks = [chunk async for chunk in model.astream("?", max_tokens=10)]
    assert chunks[-1].response_metadata.get("finish_reason") == "length" or any(
        chunk.response_metadata.get("finish_reason") == "length" for chunk in chunks
    )


def test_replies_from_messages_and_failures() -> None:
    model = ScriptedChatModel(replies=[lambda messages: str(messages[-1].text).upper(), OSError("gone")])
    assert str(model.invoke([HumanMessage(content="hello")]).text) == "HELLO"
    assert [str(message.text) for message in model.prompts[0]] == ["hello"]
    with pytest.raises(OSError, match="gone"):
        model.invoke("again")
    with pytest.raises(IndexError, match="request 3"):
        model.invoke("and again")
