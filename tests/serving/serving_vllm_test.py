"""The real thing: SmolLM2-135M on vLLM. Mechanics only; its wit is not tested."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Literal

import anyio
import psutil
import pytest
import pytest_asyncio
from pydantic import BaseModel

from agentrt.serving import ChatVLLM, open_model
from agentrt.serving.errors import AuthenticationFailed, ContextTooLong, ModelNotServed

# The first test waits for the server, on a cold and busy machine for minutes.
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest_asyncio.fixture
async def model(smollm: ChatVLLM) -> AsyncIterator[ChatVLLM]:
    yield smollm
    await smollm.aclose()


@pytest.mark.asyncio
async def test_it_streams_and_counts(model: ChatVLLM) -> None:
    chunks = [chunk async for chunk in model.astream("Name three rivers.", max_tokens=16)]
    texts = [chunk.text for chunk in chunks if chunk.text]
    assert len(texts) > 3
    usage = chunks[-1].usage_metadata
    assert usage is not None and 0 < usage["output_tokens"] <= 16 and usage["input_tokens"] > 5


@pytest.mark.asyncio
async def test_each_answer_says_what_was_cached_drafted_and_waited_for(model: ChatVLLM) -> None:
    prompt = "Repeat after me: one two three one two three one two three. " * 16  # the cache keeps whole blocks of 128
    first = await model.ainvoke(prompt, max_tokens=24)
    chunks = [chunk async for chunk in model.astream(prompt, max_tokens=24)]
    second = next(chunk for chunk in chunks if chunk.usage_metadata)
    for message in (first, second):
        served = message.response_metadata["served"]
        assert served["first_token"] > 0 and served["drafted"] >= served["accepted"] >= 0
    usage = second.usage_metadata
    assert usage is not None and usage.get("input_token_details", {}).get("cache_read", 0) > 0


@pytest.mark.asyncio
async def test_greedy_answers_and_seeds_repeat(model: ChatVLLM) -> None:
    greedy = [(await model.ainvoke("The sea is", max_tokens=8)).text for _ in range(2)]
    seeded = [(await model.ainvoke("The sea is", max_tokens=8, temperature=1.0, seed=3)).text for _ in range(2)]
    assert greedy[0] == greedy[1] and seeded[0] == seeded[1]


@pytest.mark.asyncio
async def test_stop_strings_end_the_answer_and_are_no_part_of_it(model: ChatVLLM) -> None:
    answer = await model.ainvoke("Count: one, two, three, four", stop=[" "], max_tokens=32)
    assert " " not in answer.text
    assert answer.response_metadata["finish_reason"] == "stop"


class City(BaseModel):
    name: str
    continent: Literal["Africa", "Asia", "Europe"]


@pytest.mark.asyncio
async def test_structured_output_is_an_instance(model: ChatVLLM) -> None:
    city = await model.with_structured_output(City).ainvoke("Describe Paris in JSON.", max_tokens=80)
    assert isinstance(city, City)


@pytest.mark.asyncio
async def test_json_is_spaced_as_python_writes_it(model: ChatVLLM) -> None:
    few = {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2}
    schema = {"type": "object", "properties": {"one": few, "two": few}, "required": ["one", "two"]}
    bounded = {
        "type": "string",
        "pattern": "^[a-c]+$",
        "maxLength": 4,
    }  # vLLM hands these to another engine for grammars
    for more in ({}, {"three": bounded}):
        schema["properties"] = {"one": few, "two": few} | more
        held = model.bind(structured_outputs={"json": schema}, temperature=1.0, seed=5)
        said = (await held.ainvoke("Two lists, written with much space between their parts", max_tokens=60)).text
        assert said == json.dumps(json.loads(said))


@pytest.mark.asyncio
async def test_structured_outputs_take_json_regex_choice_and_grammar(model: ChatVLLM) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    as_json = await model.bind(structured_outputs={"json": schema}).ainvoke("A small number")
    assert isinstance(json.loads(as_json.text)["n"], int)
    as_regex = await model.bind(structured_outputs={"regex": "[0-9]{3}-[a-f]{2}"}).ainvoke("A code")
    assert re.fullmatch("[0-9]{3}-[a-f]{2}", as_regex.text)
    chosen = await model.bind(structured_outputs={"choice": ["north", "south"]}).ainvoke("Where is it cold?")
    assert chosen.text in {"north", "south"}
    grammar = 'root ::= "1. " tool "(" [0-9]+ ")\\n2. join()"\ntool ::= "search" | "lookup"'
    plan = await model.bind(structured_outputs={"grammar": grammar}).ainvoke("Write a plan", max_tokens=40)
    assert re.fullmatch(r"1\. (search|lookup)\([0-9]+\)\n2\. join\(\)", plan.text) or (
        plan.response_metadata["finish_reason"] == "length"
    )


@pytest.mark.asyncio
async def test_a_second_runtime_finds_the_same_server_at_once(model: ChatVLLM) -> None:
    with anyio.fail_after(10):
        async with open_model("smollm2-135m") as second:
            assert isinstance(second, ChatVLLM)
            assert second.base_url == model.base_url and second.api_key == model.api_key
    assert (await model.ainvoke("Still there?", max_tokens=2)).text


@pytest.mark.asyncio
async def test_the_servers_own_refusals_are_understood(model: ChatVLLM) -> None:
    with pytest.raises(ContextTooLong, match="context"):
        await model.ainvoke("word " * 4000)
    stranger = model.model_copy(update={"model": "gpt-nothing"})
    with pytest.raises(ModelNotServed, match="gpt-nothing"):
        await stranger.ainvoke("hi")
    await stranger.aclose()
    async with open_model(model.base_url, api_key="wrong", model="smollm2-135m") as locked_out:
        with pytest.raises(AuthenticationFailed, match="401"):
            await locked_out.ainvoke("hi")


def test_the_server_listens_on_loopback_and_hides_its_key(smollm: ChatVLLM) -> None:
    assert smollm.api_key is not None
    key = smollm.api_key.get_secret_value()
    port = int(smollm.base_url.rsplit(":", 1)[-1].removesuffix("/v1"))
    for process in psutil.process_iter(["cmdline"]):
        assert key not in " ".join(process.info["cmdline"] or [])
    listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port]
    assert {address.ip for address in listening} == {"127.0.0.1"}
