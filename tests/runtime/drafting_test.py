"""`Runtime(model, speculation=…)`: which engine a way to draft opens."""

from __future__ import annotations

import pytest

from agentrt import Runtime
from agentrt.serving import RSD, ChatVLLM, ServerSettings, local_model
from agentrt.serving.errors import SpeculationRefused
from agentrt.serving.running import running_servers
from planner.testing import ScriptedChatModel


@pytest.mark.asyncio
@pytest.mark.parametrize("model", ["http://127.0.0.1:1/v1", ScriptedChatModel(replies=["hi"])])
async def test_a_model_that_is_open_elsewhere_drafts_as_it_was_started(model: str | ScriptedChatModel) -> None:
    with pytest.raises(SpeculationRefused, match="drafts as it was started"):
        async with Runtime(model, speculation="ngram:4"):
            pass


@pytest.mark.asyncio
async def test_what_is_no_way_to_draft_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(SpeculationRefused, match="Ways to draft: off, auto, lookup"):
        async with Runtime("smollm2-135m", speculation="guesswork"):
            pass


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(900)
@pytest.mark.asyncio
async def test_a_name_and_a_way_to_draft_open_a_server_that_drafts_so() -> None:
    settings = ServerSettings(dtype="bfloat16", max_model_len=2048, speculation="auto")
    async with Runtime("smollm2-135m", settings=settings, speculation="ngram:5") as rt:
        assert isinstance(rt.model, ChatVLLM)
        (server,) = [one for one in running_servers() if one.base_url == rt.model.base_url]
        assert server.speculation == "ngram:5"
        assert (await rt.model.ainvoke("Say: one two one two one two", max_tokens=16)).text


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.asyncio
async def test_trees_open_the_torch_engine_where_vllm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentrt.serving.rsd import ChatRSD

    monkeypatch.setattr(local_model, "find_spec", lambda _name: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    texts: dict[str, str] = {}
    # A one-token tree of the model's own is plain decoding: greedy text does not depend on the tree.
    for way in ("rsd:rsd-s:2x3@smollm2-135m", RSD("smollm2-135m", "rsd-c:1")):
        async with Runtime("smollm2-135m", speculation=way) as rt:
            assert isinstance(rt.model, ChatRSD)
            answer = await rt.model.ainvoke("Name three rivers.", max_tokens=24)
            texts[str(way)] = answer.text
    first, second = texts.values()
    assert first and first == second
