"""Conversations with a real model behind a real server: SmolLM2-135M, which says little sense but obeys limits."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise

import anyio
import pytest
import pytest_asyncio

from agentrt.serving import ChatVLLM, held_to
from agentrt.serving.metrics import read_stats
from agentrt.tools.conversation import conversation
from executor import Executor, Finished, Task
from multiagent import (
    Agent,
    Agreement,
    Case,
    ChosenByModel,
    Conversation,
    ConversationResult,
    MaxTurns,
    Piece,
    TokenBudget,
    TurnStarted,
    converse_all,
)
from multiagent.errors import AgentFailed

pytestmark = [pytest.mark.asyncio, pytest.mark.vllm, pytest.mark.timeout(600)]
AGENTS = [
    Agent("alice", "Mara holds key 6.", max_tokens=24),
    Agent("bob", "Key 6 opens the black door.", max_tokens=24),
]
QUESTION = "Which door can Mara open?"


@pytest_asyncio.fixture
async def speaker(smollm: ChatVLLM) -> AsyncIterator[ChatVLLM]:
    """The model, its connections closed at the end."""
    async with aclosing(smollm):
        yield smollm


async def test_budgets_hold_and_conversations_run_at_once(speaker: ChatVLLM):
    setup = Conversation(AGENTS, format="compact", until=Agreement() | MaxTurns(4) | TokenBudget(90, last_answer=16))
    cases = [Case(setup, f"{QUESTION} {n}", seed=n) for n in range(4)]
    results = await converse_all(cases, model=speaker, concurrency=4)
    for result in results:
        assert isinstance(result, ConversationResult), result
        assert result.stop_reason and result.tokens <= 90
        assert all(turn.usage.completion <= 24 for turn in result.transcript)
        assert all(usage.prompt > 0 for usage in result.usage_by_agent.values())


async def test_messages_are_held_to_their_format(speaker: ChatVLLM):
    agents = [replace(agent, max_tokens=120, sampling={"temperature": 1.0}) for agent in AGENTS]
    setup = Conversation(agents, format="compact", until=MaxTurns(4), guards=None, hold=held_to)
    case = Case(setup, QUESTION, seed=1)
    (result,) = await converse_all([case], model=speaker)
    assert isinstance(result, ConversationResult), result
    turns = result.transcript.regular
    assert len(turns) == 4 and all(setup.format.conforms(turn.text) for turn in turns)
    assert turns[0].answer is None and all(turn.answer for turn in turns[1:])


async def test_a_model_held_to_the_names_chooses_who_speaks(speaker: ChatVLLM):
    setup = Conversation([*AGENTS, Agent("carol", max_tokens=24)], until=MaxTurns(3), speakers=ChosenByModel())
    result = await setup.run(QUESTION, model=speaker)
    speakers = [turn.speaker for turn in result.transcript.regular]
    assert len(speakers) == 3 and all(one != other for one, other in pairwise(speakers))
    # The constraint reached the server: an unconstrained model of this size writes a sentence of sixteen tokens.
    chosen = result.usage_by_agent["(selector)"]
    assert chosen.calls == 3 and chosen.completion < 3 * 8


async def test_the_prefix_cache_serves_both_agents(speaker: ChatVLLM):
    """What both know is read once, and from its second turn on an agent's prompt is new only at its end."""
    assert speaker.api_key is not None
    key = speaker.api_key.get_secret_value()
    shared = " ".join(f"Key {n} opens door {n * n}." for n in range(60))
    agents = [Agent("alice", "Mara holds key 6.", max_tokens=8), Agent("bob", "Abel holds key 7.", max_tokens=8)]
    setup = Conversation(agents, context=shared, until=MaxTurns(4), guards=None, last_answer=0)
    before = await read_stats(speaker.base_url, key)
    result = await setup.run(QUESTION, model=speaker)
    after = await read_stats(speaker.base_url, key)
    assert before is not None and after is not None
    spent = after - before
    prompts = sum(usage.prompt for usage in result.usage_by_agent.values())
    print(f"{len(result.transcript)} turns, {prompts} tokens read, {spent.cache_hits:.0f} found in the cache")
    # Four prompts, of which one has to be read: bob's first finds what is shared, the later two their own first.
    assert spent.cache_hits >= 0.55 * prompts


async def test_a_context_larger_than_the_servers_window_is_named(speaker: ChatVLLM):
    agents = [Agent("alice", "word " * 40_000, max_tokens=8), Agent("bob", max_tokens=8)]
    with pytest.raises(AgentFailed, match=r"agent alice failed at turn 1: .*(context|tokens|length)") as caught:
        await Conversation(agents, until=MaxTurns(2)).run(QUESTION, model=speaker)
    assert len(caught.value.transcript) == 0


async def test_leaving_a_stream_ends_the_request(speaker: ChatVLLM):
    setup = Conversation([Agent("alice", max_tokens=1500)], until=MaxTurns(1))
    with anyio.fail_after(120):
        async with setup.stream("Write a very long story.", model=speaker) as events:
            assert isinstance(await anext(events), TurnStarted)
            assert isinstance(await anext(events), Piece)
        # The server is free again for the next one.
        await Conversation([Agent("bob", max_tokens=4)], until=MaxTurns(1)).run("Hi", model=speaker)


async def test_a_plan_talks_to_the_real_model(speaker: ChatVLLM):
    plan = [Task("1", "converse", {"question": QUESTION, "contexts": ["Mara holds key 6.", "Key 6: black door."]})]
    outcome = (await Executor([conversation(speaker, until=MaxTurns(2))]).run(plan))["1"]
    assert isinstance(outcome, Finished) and outcome.value["stop_reason"] in ("max_turns", "agreement")
    assert outcome.value["tokens"] > 0


async def test_readability_of_the_server_and_of_torch_agree(speaker: ChatVLLM):
    pytest.importorskip("torch")
    from agentrt.cli.optima import checkpoint_of
    from agentrt.training import EndpointReadability, TorchReadability

    assert speaker.api_key is not None
    texts = ["The cat sat on the mat and looked at the moon.", "= key 6; door black; ?? zxq"]
    key = speaker.api_key.get_secret_value()
    served = await EndpointReadability(speaker.base_url, str(speaker.model), api_key=key).losses(texts)
    local = await TorchReadability(await checkpoint_of("smollm2-135m"), device="cpu").losses(texts)
    assert served[0] < served[1] and local[0] < local[1]
    assert served == pytest.approx(local, rel=0.25), "bfloat16 there, float32 and a begin mark here"
