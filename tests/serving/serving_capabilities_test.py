"""What an endpoint can do is found out by asking for what no model says by itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentrt.serving import Capabilities, ChatVLLM, capabilities_of
from agentrt.serving.errors import RequestError
from planner.testing import ScriptedChatModel

FAKE = Path(__file__).with_name("fake_openai.py")


@contextmanager
def a_server(**env: str) -> Generator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(FAKE), "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **env}) as server:
        try:
            while True:
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("env", "can"),
    [
        ({}, Capabilities()),
        ({"FAKE_NO_SCHEMA": "1"}, Capabilities()),
        ({"FAKE_CAN": "schema tools"}, Capabilities(json_schema=True, tools=True)),
        ({"FAKE_CAN": "gbnf schema logprobs"}, Capabilities("llama.cpp", json_schema=True, logprobs=True)),
        ({"FAKE_CAN": "grammar choice schema"}, Capabilities("vllm", json_schema=True, choices=True)),
    ],
)
async def test_an_endpoint_shows_what_it_can_do(env: dict[str, str], can: Capabilities) -> None:
    with a_server(**env) as url:
        model = ChatVLLM(base_url=url, max_retries=0)
        assert await capabilities_of(model) == can
        assert await capabilities_of(model) is await capabilities_of(model), "asked once"
        await model.aclose()


@pytest.mark.asyncio
async def test_nobody_there_is_an_error_and_other_models_are_left_alone() -> None:
    with pytest.raises(RequestError, match=r"127\.0\.0\.1:9"):
        await capabilities_of(ChatVLLM(base_url="http://127.0.0.1:9/v1", max_retries=0))
    assert await capabilities_of(ScriptedChatModel(replies=[])) == Capabilities()


@pytest.mark.parametrize(
    ("can", "constraint", "options"),
    [
        (Capabilities("vllm", json_schema=True), "grammar", {"structured_outputs": {"grammar": "root ::= [0-9]"}}),
        (Capabilities("llama.cpp"), "grammar", {"extra_body": {"grammar": "root ::= [0-9]"}}),
        (Capabilities(json_schema=True), "json_schema", {}),
        (Capabilities(), None, {}),
    ],
)
def test_the_tightest_form_is_taken(can: Capabilities, constraint: str | None, options: dict[str, object]) -> None:
    assert can.constraint == constraint
    assert can.grammar_options("root ::= [0-9]") == options
