"""What happens to a real vLLM: its engine killed in the middle of an answer, its user killed with -9."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import anyio
import psutil
import pytest
from serving_deadlines import gone_within

from agentrt.serving import ChatVLLM, Ngram, ServerSettings, open_model
from agentrt.serving.errors import ServerDied
from agentrt.serving.filelock import is_locked
from agentrt.serving.running import Running, running_servers

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(1200)]

# A length of drafts of its own, so that no other test shares the server.
_SETTINGS = ServerSettings(dtype="bfloat16", max_model_len=2048, speculation=Ngram(7))


def engine_of(server: Running) -> psutil.Process:
    """The process that computes: a child of the HTTP server, or that one itself."""
    port = server.base_url.rsplit(":", 1)[-1].removesuffix("/v1")
    front = next(one for one in psutil.process_iter(["cmdline"]) if port in (one.info["cmdline"] or []))
    return next((child for child in front.children(recursive=True) if "Engine" in " ".join(child.cmdline())), front)


@pytest.mark.asyncio
async def test_an_engine_killed_in_mid_answer_is_one_clear_error_and_comes_back() -> None:
    async with open_model("smollm2-135m", settings=_SETTINGS, temperature=0.0) as opened:
        model = cast("ChatVLLM", opened)
        (server,) = [one for one in running_servers() if one.base_url == model.base_url]
        said = ""
        with pytest.raises(ServerDied, match="started again"):
            async for chunk in model.astream("Write a long story about a river.", max_tokens=400):
                if not said and chunk.text:
                    engine_of(server).kill()
                said += chunk.text
        assert said
        # Waits for the new one, though nobody told this request of the crash.
        assert (await model.ainvoke("Hello", max_tokens=4)).text
        (after,) = [one for one in running_servers() if one.base_url == model.base_url]
        assert after.crashes == 1 and after.ready


_USER = """
import anyio
from agentrt.serving import Ngram, ServerSettings, open_model
async def main():
    settings = ServerSettings(dtype="bfloat16", max_model_len=2048, speculation=Ngram(6))
    async with open_model("smollm2-135m", settings=settings) as model:
        print(model.base_url, flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.mark.asyncio
async def test_five_seconds_after_its_user_was_killed_no_process_is_left() -> None:
    async with await anyio.open_process([sys.executable, "-c", _USER], stderr=None) as user:
        assert user.stdout
        url = (await user.stdout.receive()).decode().strip()
        (server,) = [one for one in running_servers() if one.base_url == url]
        engine = engine_of(server)
        user.kill()
        alive: Path = server.folder / "alive"
        assert await anyio.to_thread.run_sync(gone_within, 5.0, lambda: not is_locked(alive))
    assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
