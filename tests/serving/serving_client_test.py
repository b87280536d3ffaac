"""`ChatVLLM` against a fake server over real HTTP."""

from __future__ import annotations

import json
import operator
import socket
import time
import urllib.request
from functools import reduce

import anyio
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, SecretStr

from agentrt.durable.recording import ModelRecorder, RecordedChatModel
from agentrt.serving import ChatVLLM, open_model
from agentrt.serving.endpoints import Endpoints
from agentrt.serving.errors import (
    ContextTooLong,
    EndpointUnreachable,
    ModelNotServed,
    RequestRefused,
    RequestTimeout,
)
from agentrt.serving.wire import chunk_of


def model(url: str, **fields: object) -> ChatVLLM:
    return ChatVLLM.model_validate({"base_url": url, "max_retries": 0, **fields})


@pytest.mark.asyncio
async def test_a_stream_has_text_finish_reason_and_usage_in_the_last_chunk(fake_url: str) -> None:
    client = model(fake_url)
    chunks = [chunk async for chunk in client.astream("hello")]
    await client.aclose()
    assert "".join(chunk.text for chunk in chunks) == "one two three"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata == {
        "input_tokens": 5,
        "output_tokens": 3,
        "total_tokens": 8,
        "input_token_details": {"cache_read": 4},
    }
    assert next(chunk for chunk in chunks if chunk.usage_metadata) is chunks[-1]
    assert client.model == "fake"


@pytest.mark.asyncio
async def test_settings_and_bound_arguments_reach_the_server(fake_url: str) -> None:
    client = model(fake_url, temperature=0.5, seed=7, extra_body={"priority": 1})
    bound = client.bind(structured_outputs={"regex": "a+"}, max_tokens=9)
    sent = json.loads((await bound.ainvoke("request", stop=["\n"])).text)
    await client.aclose()
    assert sent["messages"] == [{"role": "user", "content": "request"}]
    assert (sent["temperature"], sent["seed"], sent["max_tokens"], sent["stop"]) == (0.5, 7, 9, ["\n"])
    assert (sent["structured_outputs"], sent["priority"], sent["model"]) == ({"regex": "a+"}, 1, "fake")
    assert "top_p" not in sent


def test_sync_calls_work_too(fake_url: str) -> None:
    client = model(fake_url)
    assert client.invoke("hi").text == "echo: hi"
    assert "".join(chunk.text for chunk in client.stream("hi")) == "one two three"
    client.close()


class City(BaseModel):
    name: str


@pytest.mark.asyncio
async def test_structured_output_sends_the_schema_and_reports_what_does_not_parse(fake_url: str) -> None:
    client = model(fake_url)
    answer = await client.with_structured_output(City, include_raw=True).ainvoke("request")
    await client.aclose()
    assert isinstance(answer, dict)
    sent = json.loads(answer["raw"].text)["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"]["required"] == ["name"]
    assert answer["parsed"] is None and answer["parsing_error"] is not None


@pytest.mark.asyncio
async def test_a_model_that_is_held_to_a_schema_is_told_it_unless_it_knows(fake_url: str) -> None:
    client = model(fake_url)
    held = client.with_structured_output(City, include_raw=True)

    async def sent(prompt: object) -> list[dict[str, str]]:
        answer = await held.ainvoke(prompt, max_tokens=5)  # pyright: ignore[reportArgumentType]
        assert isinstance(answer, dict)
        request = json.loads(answer["raw"].text)
        assert request["max_tokens"] == 5
        assert "told" not in request
        return request["messages"]

    system, asked = await sent("request")
    assert asked == {"role": "user", "content": "request"}
    assert system["role"] == "system"
    assert json.loads(system["content"].partition("\n")[2])["required"] == ["name"]
    system, _ = await sent([("system", "Be brief."), ("human", "request")])
    assert system["content"].startswith("Be brief.\n\nReply with one JSON object")
    named, _ = await sent([("system", "Give its name."), ("human", "request")])
    assert named["content"] == "Give its name."
    await client.aclose()


@pytest.mark.asyncio
async def test_options_reach_a_model_that_is_held_to_a_schema_and_written_down(fake_url: str) -> None:
    client = model(fake_url)
    recorded = RecordedChatModel(inner=client, recorder=ModelRecorder(None))
    held = recorded.with_structured_output({"title": "city", **City.model_json_schema()}, include_raw=True)
    answer = await held.ainvoke("request", temperature=0.25)
    await client.aclose()
    assert json.loads(str(answer["raw"].text))["temperature"] == 0.25


@pytest.mark.asyncio
async def test_answers_of_before_are_sent_as_text(fake_url: str) -> None:
    client = model(fake_url)
    called = AIMessage(
        content=[{"type": "text", "text": "I look."}, {"type": "tool_call", "id": "1", "name": "f", "args": {}}],
        tool_calls=[{"id": "1", "name": "f", "args": {}}],
    )
    sent = json.loads(
        (await client.ainvoke([called, ToolMessage("x", tool_call_id="1"), HumanMessage("request")])).text
    )
    await client.aclose()
    assert sent["messages"][0]["content"] == "I look."
    assert sent["messages"][0]["tool_calls"][0]["function"]["name"] == "f"


def test_structured_output_knows_three_methods() -> None:
    with pytest.raises(ValueError, match="json_schema"):
        model("http://127.0.0.1:1/v1").with_structured_output(City, method="telepathy")


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["break", "cancel"])
async def test_leaving_a_stream_ends_the_request_at_the_server(fake_url: str, how: str) -> None:
    client = model(fake_url)
    with anyio.move_on_after(30) as scope:
        async for chunk in client.astream("forever"):
            if chunk.text == "more ":
                if how == "break":
                    break
                scope.cancel()
    with anyio.fail_after(15):
        assert await anyio.to_thread.run_sync(_hung_up, fake_url)
    await client.aclose()


def _hung_up(url: str) -> bool:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/hung-up") as answer:
        return json.load(answer)["hung_up"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("says", "error", "words"),
    [
        ("too long", ContextTooLong, "maximum context length is 8"),
        ("busy", RequestRefused, "429.*wait 7 s"),
        ("half", EndpointUnreachable, "broke off"),
        ("torn", EndpointUnreachable, "broke off"),
        ("anything else", None, ""),
    ],
)
async def test_refusals_say_what_and_where(fake_url: str, says: str, error: type[Exception] | None, words: str) -> None:
    client = model(fake_url)
    if error is None:
        assert await client.ainvoke(says)
    else:
        with pytest.raises(error, match=words) as caught:
            async for _ in client.astream(says):
                pass
        assert fake_url in str(caught.value)
    await client.aclose()


@pytest.mark.asyncio
async def test_silence_becomes_a_timeout_before_the_first_word_and_after_it(fake_url: str) -> None:
    client = model(fake_url, timeout=0.2)
    with pytest.raises(RequestTimeout, match="did not answer within"):
        await client.ainvoke("silence")
    said = ""
    with pytest.raises(RequestTimeout, match="did not answer within"):
        async for chunk in client.astream("stall"):
            said += chunk.text
    assert said == "one two "
    await client.aclose()


def test_silence_becomes_a_timeout_without_await_too(fake_url: str) -> None:
    client = model(fake_url, timeout=0.2)
    with pytest.raises(RequestTimeout, match="did not answer within"):
        list(client.stream("stall"))
    client.close()


@pytest.mark.asyncio
async def test_an_event_that_comes_in_two_pieces_is_one(fake_url: str) -> None:
    client = model(fake_url)
    assert "".join([chunk.text async for chunk in client.astream("split")]) == "one two and a half three"
    await client.aclose()


@pytest.mark.asyncio
async def test_a_server_that_says_when_to_come_back_is_asked_again_then(fake_url: str) -> None:
    client = model(fake_url, max_retries=1)
    began = time.monotonic()
    assert (await client.ainvoke("later")).text == "echo: later"
    assert time.monotonic() - began >= 1.0
    with pytest.raises(RequestRefused) as caught:
        await model(fake_url).ainvoke("busy")
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
    await client.aclose()


@pytest.mark.asyncio
async def test_a_slow_reader_holds_up_nobody_and_little_memory(fake_url: str) -> None:
    """What is not read stays at the server: it stops writing when the socket's buffers are full."""
    client = model(fake_url)
    stream = client.astream("flood")
    with anyio.fail_after(30):
        while "x" not in (await anext(stream)).text:
            pass
        before = -1
        while before != (before := await anyio.to_thread.run_sync(_sent, fake_url)):
            # Others are served while the stream waits for its reader.
            for _ in range(5):
                assert (await client.ainvoke("hi")).text == "echo: hi"
        assert before < 16 * 2**20
        read = len("".join([chunk.text async for chunk in stream]))
    assert read > 30 * 2**20
    await client.aclose()


def _sent(url: str) -> int:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/sent") as answer:
        return json.load(answer)["sent"]


@pytest.mark.asyncio
async def test_an_unknown_model_is_named(fake_url: str) -> None:
    client = model(fake_url, model="other")
    with pytest.raises(ModelNotServed, match="`other` does not exist"):
        await client.ainvoke("hi")
    await client.aclose()


@pytest.mark.asyncio
async def test_nobody_listening_is_said_with_the_url() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        client = model(url, model="m")
        with pytest.raises(EndpointUnreachable, match="usually ends in /v1") as caught:
            await client.ainvoke("hi")
        await client.aclose()
    assert url in str(caught.value)


@pytest.mark.asyncio
async def test_a_url_opens_as_a_model_and_a_model_passes_through(fake_url: str) -> None:
    async with open_model(fake_url, temperature=0) as opened:
        assert (await opened.ainvoke("hi")).text == "echo: hi"
        async with open_model(opened) as same:
            assert same is opened


def test_the_key_is_not_shown(fake_url: str) -> None:
    assert "secret" not in repr(model(fake_url, api_key=SecretStr("secret")))


@pytest.mark.asyncio
async def test_streamed_pieces_of_parallel_tool_calls_add_up(fake_url: str) -> None:
    client = model(fake_url)
    chunks = [chunk async for chunk in client.astream("call")]
    await client.aclose()
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert [(call["name"], call["args"], call["id"]) for call in whole.tool_calls] == [
        ("add", {"a": 1, "b": 2}, "c0"),
        ("add", {"a": 3, "b": 4}, "c1"),
    ]


def test_pieces_of_one_call_in_one_event_are_one_piece() -> None:
    """As vLLM sends them where a pass writes the call's name and the beginning of its arguments."""

    def event(*pieces: dict[str, object]) -> ChatCompletionChunk:
        choice = {"index": 0, "delta": {"tool_calls": [{"index": 0, **piece} for piece in pieces]}}
        about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
        return ChatCompletionChunk.model_validate({**about, "choices": [choice]})

    begun = {"id": "c0", "type": "function", "function": {"name": "add"}}
    first = event(begun, {"function": {"arguments": '{"a": 1'}}, {"function": {"arguments": ', "b'}})
    chunks = [chunk_of(first), chunk_of(event({"function": {"arguments": '": 2}'}}))]
    whole = reduce(operator.add, [chunk.message for chunk in chunks if chunk is not None])
    assert [(call["name"], call["args"], call["id"]) for call in whole.tool_calls] == [("add", {"a": 1, "b": 2}, "c0")]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("any", "required"),
        (True, "required"),
        ("add", {"type": "function", "function": {"name": "add"}}),
        ("auto", "auto"),
        (None, None),
    ],
)
def test_tool_choices_become_the_protocols(fake_url: str, choice: str | bool | None, sent: object) -> None:
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    client = model(fake_url)
    request = json.loads(client.bind_tools([add], tool_choice=choice).invoke("request").text)
    client.close()
    assert request.get("tool_choice") == sent
    assert request["tools"][0]["function"]["parameters"]["required"] == ["a", "b"]
    with pytest.raises(ValueError, match="there are: add"):
        client.bind_tools([add], tool_choice="subtract")


@pytest.mark.asyncio
async def test_a_request_goes_to_another_server_when_the_first_is_not_there(fake_url: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        client = model(dead, base_urls=(fake_url,), model="fake")
        assert (await client.ainvoke("hi")).text == "echo: hi"
        # The dead one is left alone for a while; the first word is not waited for twice.
        assert "".join([chunk.text async for chunk in client.astream("hi")]) == "one two three"
        await client.aclose()
    twice = model(fake_url, base_urls=(fake_url.replace("127.0.0.1", "localhost"),))
    assert (await twice.ainvoke("overloaded")).text == "echo: overloaded"
    await twice.aclose()


def test_the_server_with_the_fewest_requests_is_next_unless_it_just_failed() -> None:
    now = 0.0
    servers = Endpoints(["a", "b", "a"], rest=10, clock=lambda: now)
    assert servers.urls == ("a", "b")
    with servers.least_loaded() as first, servers.least_loaded() as second:
        assert (first, second) == ("a", "b")
        servers.failed("a")
        with servers.least_loaded() as third:
            assert third == "b"
        now = 11.0
        with servers.least_loaded(tried=["b"]) as fourth:
            assert fourth == "a"
    assert not servers.left(["a", "b"]) and servers.left(["b"])
