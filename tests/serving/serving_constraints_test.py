"""Which constraint an endpoint gets: by its own name, or by asking it for one token under a schema."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentrt.serving import ChatVLLM
from agentrt.serving.constraints import strongest_constraint
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
    ("env", "constraint"),
    [
        ({"FAKE_OWNER": "vllm"}, "grammar"),
        ({"FAKE_OWNER": "llamacpp"}, "gbnf"),
        ({"FAKE_OWNER": "somebody"}, "json"),
        ({"FAKE_OWNER": "somebody", "FAKE_NO_SCHEMA": "1"}, "free"),
    ],
)
async def test_an_endpoint_tells_what_it_can_do(env: dict[str, str], constraint: str) -> None:
    with a_server(**env) as url:
        model = ChatVLLM(base_url=url, max_retries=0)
        assert await strongest_constraint(model) == constraint
        await model.aclose()


@pytest.mark.asyncio
async def test_a_server_of_ours_is_vllm_and_other_models_are_left_alone() -> None:
    nobody = ChatVLLM(base_url="http://127.0.0.1:9/v1", obituary=lambda: None)
    assert await strongest_constraint(nobody) == "grammar"
    assert await strongest_constraint(ScriptedChatModel(replies=[])) == "free"
