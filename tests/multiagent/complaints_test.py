"""What users of other conversation runtimes complain of, each as a test, by the issue that says it."""

import anyio
import pytest

from multiagent import (
    Agent,
    Agreement,
    ChosenByModel,
    Conversation,
    Debate,
    EndMark,
    MaxTurns,
    MemoryCheckpoints,
    Stopped,
    TokenBudget,
    TurnFinished,
)
from multiagent.testing import ScriptedModel

pytestmark = pytest.mark.asyncio
PAIR = [Agent("alice", context="The key is blue."), Agent("bob", context="The lock is green.")]


async def test_autogen_7071_the_stream_ends_where_the_condition_is_true():
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)}\nDONE")
    async with Conversation(PAIR, until=EndMark("DONE") | MaxTurns(9), last_answer=0).stream(
        "?", model=model
    ) as events:
        heard = [event async for event in events]
    assert sum(isinstance(event, TurnFinished) for event in heard) == 1
    assert isinstance(heard[-1], Stopped) and len(model.prompts) == 1


async def test_autogen_108_133_agents_that_keep_saying_goodbye_stop():
    model = ScriptedModel.saying(lambda _: "Thank you! I will say TERMINATE when we are done.")
    result = await Conversation(PAIR, until=EndMark("TERMINATE") | MaxTurns(1000)).run("?", model=model)
    assert result.stop_reason == "repeats" and len(result.transcript.regular) <= 4


@pytest.mark.parametrize("until", [MaxTurns(1), Agreement() | MaxTurns(3), TokenBudget(60), MaxTurns(1) & MaxTurns(2)])
async def test_autogen_706_there_is_always_a_reason(until):
    model = ScriptedModel.saying(lambda _: f"words {len(model.prompts)} " * 5)
    assert (await Conversation(PAIR, until=until).run("?", model=model)).stop_reason


async def test_autogen_3501_one_expression_holds_every_limit():
    until = Agreement() | MaxTurns(4) | TokenBudget(500)
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)}")
    result = await Conversation(PAIR, until=until, guards=None).run("?", model=model)
    assert result.stop_reason == "max_turns" and len(result.transcript.regular) == 4


async def test_autogen_6944_a_selector_that_names_nobody_is_survived():
    model = ScriptedModel.saying(lambda messages: "No one." if "Who speaks next?" in messages[-1].text else "Hm.")
    agents = [*PAIR, Agent("carol")]
    result = await Conversation(agents, until=MaxTurns(2), speakers=ChosenByModel(), last_answer=0).run(
        "?", model=model
    )
    assert [turn.speaker for turn in result.transcript] == ["alice", "bob"]


async def test_autogen_5880_there_is_a_checkpoint_while_it_runs():
    kept, gate = MemoryCheckpoints(), anyio.Event()
    agents = [
        Agent("alice", model=ScriptedModel.saying(["one"])),
        Agent("bob", model=ScriptedModel.saying(["two"], gate=gate)),
    ]
    seen = []
    with anyio.fail_after(5):
        async with Conversation(agents, until=MaxTurns(2), last_answer=0).stream("?", checkpoints=kept) as events:
            async for event in events:
                if isinstance(event, TurnFinished):
                    saved = await kept.load("conversation")
                    assert saved is not None
                    seen.append((len(saved.turns), saved.stop_reason))
                    gate.set()
    assert seen[0] == (1, None) and seen[1][0] == 2


async def test_agent_framework_7456_the_same_speaker_twice():
    model = ScriptedModel.saying(["first", "second", "Answer: x"])
    speakers = ChosenByModel(ScriptedModel.saying(["alice", "alice", "alice"]), twice=True)
    result = await Conversation(PAIR, until=MaxTurns(3), speakers=speakers).run("?", model=model)
    assert [turn.speaker for turn in result.transcript] == ["alice"] * 3 and result.answer == "x"


async def test_langgraph_swarm_111_private_state_stays_private():
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)}")
    await Conversation(PAIR, until=MaxTurns(4), guards=None).run("?", model=model)
    for prompt in model.prompts:
        told = " ".join(message.text for message in prompt)
        assert ("blue" in told) != ("green" in told)


async def test_langgraph_supervisor_118_the_answer_survives_the_one_who_speaks_last():
    script = ["6 x 7. Answer: 42", "Please show your work, I am not convinced."]
    agents = [Agent("solver"), Agent("critic")]
    result = await Conversation(agents, Debate(), until=MaxTurns(2)).run("6 x 7?", model=ScriptedModel.saying(script))
    assert result.transcript[-1].speaker == "critic" and result.answer == "42"


async def test_metagpt_1031_a_model_that_ignores_its_limit_ends_the_conversation_at_once():
    model = ScriptedModel.saying(lambda _: "word " * 300 + str(len(model.prompts)))
    result = await Conversation(PAIR, until=TokenBudget(200), last_answer=0).run("?", model=model)
    assert result.stop_reason == "token_budget"
    assert len(result.transcript.regular) == 1 and model.settings[0]["max_tokens"] <= 152
