"""The runtime: prompts, stops, budgets, checkpoints, streaming, cancellation."""

from itertools import pairwise

import anyio
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool

from multiagent import (
    Agent,
    Agreement,
    ChosenBy,
    ChosenByModel,
    Conversation,
    Debate,
    InfoExchange,
    MaxTurns,
    MemoryCheckpoints,
    Piece,
    Reward,
    SqliteCheckpoints,
    Stopped,
    TokenBudget,
    TurnFinished,
    TurnStarted,
    Usage,
)
from multiagent.errors import (
    AgentFailed,
    CheckpointMismatch,
    ContextTooLarge,
    ConversationError,
    DiskFull,
    DuplicateAgent,
    EndlessConversation,
    NoModel,
    UnknownAgent,
    UnknownFormat,
    WrongAgents,
)
from multiagent.testing import ScriptedModel

pytestmark = pytest.mark.asyncio

ALICE, BOB = Agent("alice", context="Gallu is a demon."), Agent("bob", context="Lilu is a spirit.")
QUESTION = "If Gallu is a demon, Lilu is what?"


def talk(**settings) -> Conversation:
    settings.setdefault("agents", [ALICE, BOB])
    return Conversation(**settings)


async def test_two_agents_exchange_facts_and_agree():
    model = ScriptedModel.saying(["What is Lilu?", "A spirit. Answer: a spirit", "Answer: the spirit."])
    conversation = talk(format="plain", until=Agreement() | MaxTurns(10) | TokenBudget(800), reward=Reward())
    result = await conversation.run(QUESTION, model=model, reference="spirit")
    assert result.answer == "the spirit"
    assert result.stop_reason == "agreement"
    assert [turn.speaker for turn in result.transcript] == ["alice", "bob", "alice"]
    assert result.usage_by_agent["bob"].completion == 5
    assert result.usage_by_agent["alice"].calls == 2
    assert result.reward is not None and result.reward.task == 1.0


async def test_private_context_is_in_no_partner_prompt():
    model = ScriptedModel.saying(lambda messages: "I will not say.")
    await talk(until=MaxTurns(4)).run(QUESTION, model=model)
    alice = [prompt for prompt in model.prompts if "You are alice" in prompt[0].text]
    bob = [prompt for prompt in model.prompts if "You are bob" in prompt[0].text]
    assert len(alice) + len(bob) == len(model.prompts) and alice and bob
    assert all("Gallu is a demon." not in message.text for prompt in bob for message in prompt)
    assert all("Lilu is a spirit." not in message.text for prompt in alice for message in prompt)
    assert "Gallu is a demon." in alice[0][0].text


async def test_tool_calls_and_results_stay_private():
    @tool
    def look_up(name: str) -> str:
        """Looks a name up."""
        return f"SECRET about {name}"

    call = AIMessage("", tool_calls=[{"name": "look_up", "args": {"name": "Lilu"}, "id": "c1"}])
    alice = ScriptedModel.saying([call, "I looked it up.", "Still sure."])
    bob = ScriptedModel.saying(["Good.", "Fine."])
    agents = [Agent("alice", tools=[look_up], model=alice), Agent("bob", model=bob)]
    result = await talk(agents=agents, until=MaxTurns(4), last_answer=0).run(QUESTION)
    assert "SECRET" not in str(bob.prompts)
    assert "SECRET about Lilu" in str(alice.prompts[1])
    assert "SECRET about Lilu" in str(alice.prompts[2]), "the speaker itself remembers what its tool said"
    assert result.transcript[0].usage.calls == 2


async def test_a_failing_or_unknown_tool_is_told_to_the_model():
    @tool
    def broken() -> str:
        """Fails."""
        raise RuntimeError("no connection")

    calls = [{"name": name, "args": {}, "id": name} for name in ("broken", "nothing")]
    model = ScriptedModel.saying([AIMessage("", tool_calls=calls), "Answer: none"])
    result = await talk(agents=[Agent("alice", tools=[broken])], until=MaxTurns(1)).run(QUESTION, model=model)
    assert result.answer == "none"
    assert "no connection" in str(model.prompts[1]) and "there is no tool 'nothing'" in str(model.prompts[1])


async def test_endless_tool_calls_end_after_the_allowed_rounds():
    @tool
    def again() -> str:
        """Again."""
        return "once more"

    model = ScriptedModel.saying(lambda _: AIMessage("x", tool_calls=[{"name": "again", "args": {}, "id": "1"}]))
    agent = Agent("alice", tools=[again], max_tool_rounds=3)
    result = await talk(agents=[agent], until=MaxTurns(1), last_answer=0).run(QUESTION, model=model)
    assert result.transcript[0].usage.calls == 4


async def test_each_prompt_begins_with_the_previous_one_and_heads_are_shared():
    model = ScriptedModel.saying(lambda messages: f"message {len(model.prompts)}")
    await talk(agents=[ALICE, BOB, Agent("carol")], until=MaxTurns(9), context="Common ground.").run(
        QUESTION, model=model
    )
    for name in ("alice", "bob", "carol"):
        own = [prompt for prompt in model.prompts[:9] if f"You are {name}" in prompt[0].text]
        for earlier, later in pairwise(own):
            assert [(m.type, m.text) for m in later[: len(earlier)]] == [(m.type, m.text) for m in earlier]
    heads = {prompt[0].text.split("\n\nYou are ")[0] for prompt in model.prompts}
    assert len(heads) == 1 and "Common ground." in heads.pop()


async def test_how_to_write_stands_behind_what_is_known_and_partners_are_named():
    """So talks in two formats share all of their prompts but the end, and a lone message is not taken for the task."""
    prompts = {}
    for form in ("plain", "compact"):
        model = ScriptedModel.saying(["? Lilu", "= a spirit", "= a spirit"])
        await talk(format=form, until=MaxTurns(3), last_answer=0).run(QUESTION, model=model)
        prompts[form] = model.prompts
    heads = [prompts[form][0][0].text.split("How to write a message:") for form in prompts]
    assert heads[0][0] == heads[1][0] and "Gallu is a demon." in heads[0][0] and heads[0][1] != heads[1][1]
    assert prompts["compact"][1][1].text.startswith(f"Question: {QUESTION}\n\nalice: ? Lilu\n\n")


@pytest.mark.parametrize("said", ["I agree.", "Yes, I agree with alice!", "AGREE", "**Agreed**"])
async def test_in_an_exchange_who_only_agrees_gives_the_partners_answer(said):
    result = await talk().run(QUESTION, model=ScriptedModel.saying(["Answer: a spirit", said]))
    assert (result.answer, result.stop_reason, len(result.transcript)) == ("a spirit", "agreement", 2)


@pytest.mark.parametrize(
    "said", ["I agree, but what of Gallu?", "I cannot agree with that.", "I agree. Answer: a demon"]
)
async def test_who_agrees_only_in_part_does_not(said):
    model = ScriptedModel.saying(["Answer: a spirit", said, "Well."])
    result = await talk(until=MaxTurns(2), last_answer=0).run(QUESTION, model=model)
    assert result.stop_reason == "max_turns"


async def test_prompts_alternate_between_user_and_assistant_also_when_somebody_speaks_twice():
    model = ScriptedModel.saying(lambda messages: f"message {len(model.prompts)}")
    order = iter(["alice", "alice", "bob", "bob", "alice"])
    speakers = ChosenBy(lambda transcript: next(order))
    await talk(until=MaxTurns(5), speakers=speakers, last_answer=0).run(QUESTION, model=model)
    for prompt in model.prompts:
        assert isinstance(prompt[0], SystemMessage)
        for at, message in enumerate(prompt[1:]):
            assert isinstance(message, HumanMessage if at % 2 == 0 else AIMessage)
            assert message.text


async def test_own_model_and_sampling_of_an_agent_win():
    one, other = ScriptedModel.saying(["Answer: x"]), ScriptedModel.saying(["Answer: x"])
    agents = [
        Agent("alice", model=one, sampling={"temperature": 0.7}, max_tokens=33),
        Agent("bob", sampling={"seed": 5}),
    ]
    await talk(agents=agents).run(QUESTION, model=other, sampling={"seed": 1, "top_p": 0.9})
    assert one.settings == [{"seed": 1, "top_p": 0.9, "temperature": 0.7, "max_tokens": 33}]
    assert other.settings[0]["seed"] == 5


async def test_the_budget_holds_and_keeps_tokens_for_the_last_answer():
    def obedient(messages):
        return " ".join(["word"] * model.settings[-1]["max_tokens"])

    model = ScriptedModel.saying(obedient)
    result = await talk(until=TokenBudget(100, last_answer=20), guards=None).run(QUESTION, model=model)
    assert result.stop_reason == "token_budget"
    assert result.transcript[-1].kind == "last" and model.settings[-1]["max_tokens"] == 20
    assert result.tokens <= 100
    assert result.answer is not None


@pytest.mark.parametrize("until", [MaxTurns(3), TokenBudget(60), MaxTurns(0)])
async def test_never_an_answer_is_a_documented_stop(until):
    model = ScriptedModel.saying(lambda _: "")
    result = await talk(until=until, guards=None).run(QUESTION, model=model)
    assert result.answer is None
    assert result.stop_reason in ("max_turns", "token_budget")


async def test_an_answer_at_once_needs_the_partner():
    model = ScriptedModel.saying(["Answer: a spirit", "Answer: a spirit"])
    result = await talk().run(QUESTION, model=model)
    assert len(result.transcript) == 2 and result.stop_reason == "agreement"


async def test_a_silent_agent_stops_the_conversation():
    model = ScriptedModel.saying(lambda messages: "" if "You are bob" in messages[0].text else f"hello {len(messages)}")
    result = await talk(last_answer=0).run(QUESTION, model=model)
    assert result.stop_reason == "silence"
    assert "empty" in result.transcript.by("bob")[0].flags


async def test_an_agent_that_speaks_for_both_is_cut_and_flagged():
    model = ScriptedModel.saying(["alice: I know half.\nBob: And I know: Answer: x", "Answer: y", "Answer: y"])
    result = await talk().run(QUESTION, model=model)
    first = result.transcript[0]
    assert first.text == "I know half." and first.answer is None
    assert first.flags == {"speaks_for_other"}


async def test_streaming_stops_generating_where_an_agent_speaks_for_its_partner():
    model = ScriptedModel.saying(["I know half.\nBob: and so on and on and on", "Answer: y", "Answer: y"])
    heard = []
    async with talk().stream(QUESTION, model=model) as events:
        heard = [event async for event in events]
    said = "".join(event.text for event in heard if isinstance(event, Piece) and event.speaker == "alice")
    assert "on and on" not in said
    assert next(event.turn for event in heard if isinstance(event, TurnFinished)).text == "I know half."


async def test_events_come_in_order_and_nothing_follows_the_stop():
    model = ScriptedModel.saying(["one two", "Answer: x", "Answer: x"])
    async with talk().stream(QUESTION, model=model) as events:
        heard = [event async for event in events]
    kinds = [type(event) for event in heard]
    assert kinds[:4] == [TurnStarted, Piece, Piece, TurnFinished]
    assert kinds[-1] is Stopped and kinds.count(Stopped) == 1
    assert heard[-1].result.stop_reason == "agreement"
    assert len(model.prompts) == 3


async def test_leaving_the_stream_early_cancels_the_call():
    gate = anyio.Event()
    model = ScriptedModel.saying(["never said"], gate=gate)
    with anyio.fail_after(5):
        async with talk().stream(QUESTION, model=model) as events:
            assert isinstance(await anext(events), TurnStarted)
    assert model.prompts == []


async def test_errors_come_out_of_a_stream_unwrapped():
    model = ScriptedModel.saying([])
    with pytest.raises(AgentFailed, match=r"alice failed at turn 1: RuntimeError: the script has 0"):
        async with talk().stream(QUESTION, model=model) as events:
            async for _ in events:
                pass


async def test_a_failed_call_keeps_what_was_said():
    with pytest.raises(AgentFailed) as caught:
        await talk().run(QUESTION, model=ScriptedModel.saying(["one", "two"]))
    assert [turn.text for turn in caught.value.transcript] == ["one", "two"]
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
async def test_resuming_gives_what_an_undisturbed_run_gives(tmp_path, killed_after):
    script = ["one", "two", "Answer: x", "Answer: x"]
    whole = await talk().run(QUESTION, model=ScriptedModel.saying(script))
    store = SqliteCheckpoints(tmp_path / "talk.sqlite")
    with pytest.raises(AgentFailed):
        await talk().run(QUESTION, model=ScriptedModel.saying(script[:killed_after]), checkpoints=store, key="k")
    store.close()
    store = SqliteCheckpoints(tmp_path / "talk.sqlite")
    rest = ScriptedModel.saying(script[killed_after:])
    resumed = await talk().run(QUESTION, model=rest, checkpoints=store, key="k")
    assert [turn.text for turn in resumed.transcript] == [turn.text for turn in whole.transcript]
    assert (resumed.answer, resumed.stop_reason) == (whole.answer, whole.stop_reason)
    assert len(rest.prompts) == 4 - killed_after
    again = await talk().run(QUESTION, model=ScriptedModel.saying([]), checkpoints=store, key="k")
    assert again.answer == "x" and again.stop_reason == "agreement"
    store.close()


async def test_tool_steps_survive_a_resume(tmp_path):
    @tool
    def look() -> str:
        """Looks."""
        return "a spirit, says the book"

    call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "c1"}])
    store = MemoryCheckpoints()
    setup = talk(agents=[Agent("alice", tools=[look]), BOB], until=MaxTurns(3), last_answer=0)
    with pytest.raises(AgentFailed):
        await setup.run(QUESTION, model=ScriptedModel.saying([call, "I looked."]), checkpoints=store)
    rest = ScriptedModel.saying(["hm", "yes"])
    await setup.run(QUESTION, model=rest, checkpoints=store)
    assert "says the book" in str(rest.prompts[-1]) and "says the book" not in str(rest.prompts[0])


async def test_cancelling_keeps_every_finished_turn():
    gate, store = anyio.Event(), MemoryCheckpoints()
    slow = ScriptedModel.saying(["late"], gate=gate)
    agents = [Agent("alice", model=ScriptedModel.saying(["first"])), Agent("bob", model=slow)]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:

            async def stop_when_bob_is_asked():
                while not store.saved:  # one loop turn after the other; no time is waited for
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()

            group.start_soon(stop_when_bob_is_asked)
            await talk(agents=agents).run(QUESTION, checkpoints=store)
    assert [turn.text for turn in store.saved["conversation"].turns] == ["first"]


async def test_a_checkpoint_of_another_conversation_is_refused():
    store = MemoryCheckpoints()
    await talk().run(QUESTION, model=ScriptedModel.saying(["Answer: x", "Answer: x"]), checkpoints=store, key="k")
    with pytest.raises(CheckpointMismatch, match="another question"):
        await talk().run("Another?", model=ScriptedModel.saying([]), checkpoints=store, key="k")


async def test_a_full_disk_is_named_and_the_turns_before_are_kept(tmp_path):
    store = SqliteCheckpoints(tmp_path / "talk.sqlite")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages + 4}")
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)} " * 3000)
    with pytest.raises(DiskFull, match=r"talk\.sqlite; what was stored is kept"):
        await talk(until=MaxTurns(50), guards=None).run(QUESTION, model=model, checkpoints=store, key="k")
    saved = await store.load("k")
    assert saved is not None and len(saved.turns) == len(model.prompts) - 1 > 0
    store.close()


async def test_the_context_window_is_checked_before_the_first_call_and_ends_later_turns():
    large = Agent("alice", context="word " * 4000, window=2048)
    model = ScriptedModel.saying([])
    with pytest.raises(ContextTooLarge, match="alice: the first prompt has about"):
        await talk(agents=[large, BOB]).run(QUESTION, model=model)
    assert model.prompts == []
    small = [Agent("alice", window=400, max_tokens=60), Agent("bob")]
    chatty = ScriptedModel.saying(lambda messages: f"{len(messages)} " + "word " * 60)
    result = await talk(agents=small, until=MaxTurns(50), guards=None).run(QUESTION, model=chatty)
    assert result.stop_reason == "context_window"


async def test_a_selector_that_names_nobody_falls_back():
    chooser = ScriptedModel.saying(["Nobody, really", "I choose bob", "alice or carol"])
    model = ScriptedModel.saying(["one", "two", "three"])
    agents = [ALICE, BOB, Agent("carol")]
    speakers = ChosenByModel(chooser)
    result = await talk(agents=agents, until=MaxTurns(3), speakers=speakers, last_answer=0).run(QUESTION, model=model)
    assert [turn.speaker for turn in result.transcript] == ["alice", "bob", "carol"]
    assert result.usage_by_agent["(selector)"].calls == 3
    assert chooser.settings[0]["extra_body"] == {"structured_outputs": {"choice": ["alice", "bob", "carol"]}}
    assert chooser.settings[1]["extra_body"] == {"structured_outputs": {"choice": ["bob", "carol"]}}, (
        "not twice in a row"
    )


async def test_a_function_that_names_nobody_is_an_error():
    with pytest.raises(UnknownAgent, match="did you mean 'bob'"):
        await talk(speakers=ChosenBy(lambda _: "bobby")).run(QUESTION, model=ScriptedModel.saying([]))


async def test_a_wave_speaks_at_the_same_time_and_unheard():
    started, gate = [], anyio.Event()

    class Meeting(ScriptedModel):
        async def _open(self):
            started.append(self)
            if len(started) == 2:
                gate.set()
            await gate.wait()

    model = Meeting.saying(["one", "two"])
    with anyio.fail_after(5):
        result = await talk(until=MaxTurns(2), speakers=ChosenBy(lambda _: ["alice", "bob"]), last_answer=0).run(
            QUESTION, model=model
        )
    assert [turn.wave for turn in result.transcript] == [0, 0]
    assert all(len(prompt) == 2 for prompt in model.prompts)


async def test_what_was_said_in_ones_own_wave_is_heard_behind_ones_own_turn():
    model = ScriptedModel.saying(["one", "two", "three", "four"])
    talking = talk(until=MaxTurns(4), speakers=ChosenBy(lambda _: ["alice", "bob"]), last_answer=0)
    await talking.run(QUESTION, model=model)
    for first, later in ((model.prompts[0], model.prompts[2]), (model.prompts[1], model.prompts[3])):
        # So a later prompt begins with the earlier one, which a prefix cache serves.
        assert [message.content for message in later[:2]] == [message.content for message in first]
        assert [message.type for message in later] == ["system", "human", "ai", "human"]
    assert "bob: two" in model.prompts[2][3].content
    assert "alice: one" in model.prompts[3][3].content


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"agents": [ALICE, Agent("Alice")]}, DuplicateAgent, "give each agent its own name"),
        ({"agents": []}, WrongAgents, "at least one agent"),
        ({"agents": [ALICE], "protocol": InfoExchange()}, WrongAgents, "exchange takes"),
        ({"until": Agreement()}, EndlessConversation, r"add a bound, as in `Agreement\(\) \| MaxTurns\(10\)`"),
        ({"until": Agreement() & MaxTurns(3)}, EndlessConversation, "may never come true"),
        ({"format": "morse"}, UnknownFormat, "there are: compact"),
    ],
)
async def test_bad_setups_say_what_to_do(settings, error, says):
    with pytest.raises(error, match=says):
        talk(**settings)


async def test_names_that_would_break_prompts_are_refused():
    with pytest.raises(ConversationError, match="cannot name an agent"):
        Agent("alice: bob")


async def test_without_a_model_nothing_begins():
    with pytest.raises(NoModel, match="agent bob has no model"):
        await talk(agents=[Agent("alice", model=ScriptedModel.saying([])), BOB]).run(QUESTION)


async def test_usage_counts_what_a_silent_endpoint_does_not_report():
    class Unreported(ScriptedModel):
        def _reply(self, messages, settings):
            return super()._reply(messages, settings).model_copy(update={"usage_metadata": None})

    result = await talk(agents=[Agent("alice")], until=MaxTurns(1), count=lambda text: len(text.split())).run(
        QUESTION, model=Unreported.saying(["Answer: a spirit"])
    )
    assert result.usage_by_agent["alice"].completion == 3
    assert result.usage_by_agent["alice"] != Usage()


async def test_debate_ends_when_the_critic_agrees_not_when_the_solver_repeats_itself():
    script = ["6 x 7. Answer: 41", "41 is wrong. Answer: 42", "Right. Answer: 42", "AGREE"]
    model = ScriptedModel.saying(script)
    result = await talk(agents=[Agent("solver"), Agent("critic")], protocol=Debate()).run("6 x 7?", model=model)
    assert [turn.answer for turn in result.transcript] == ["41", None, "42", "42"]
    assert result.answer == "42" and result.stop_reason == "agreement"


async def test_messages_are_held_to_the_grammar_of_their_duty():
    async def hold(model, grammar):
        return {"grammar": grammar}

    model = ScriptedModel.saying(["+ Gallu: demon", "= ghost", "= spirit", "a spirit"])
    held = talk(format="compact", until=MaxTurns(3), hold=hold)
    result = await held.run(QUESTION, model=model)
    grammars = held.format.grammars
    assert [one["grammar"] for one in model.settings] == [
        grammars["share"], grammars["answer"], grammars["settle"]
    ]  # fmt: skip
    assert result.answer == "spirit"


async def test_the_last_answer_is_held_to_a_line_in_every_format():
    async def hold(model, grammar):
        return {"grammar": grammar}

    model = ScriptedModel.saying(["Let me think.", "a spirit"])
    result = await talk(format="plain", until=MaxTurns(1), hold=hold).run(QUESTION, model=model)
    assert ["grammar" in one for one in model.settings] == [False, True] and result.answer == "a spirit"


async def test_agents_with_tools_and_models_that_cannot_are_not_held():
    @tool
    def look_up(name: str) -> str:
        """Looks something up."""
        return name

    asked = []

    async def cannot(model, grammar):
        asked.append(grammar)
        return {}

    model = ScriptedModel.saying(["+ a", "= b"])
    agents = [Agent("alice", tools=[look_up]), BOB]
    await talk(agents=agents, format="compact", until=MaxTurns(2), hold=cannot).run(QUESTION, model=model)
    assert len(asked) == 1 and all("grammar" not in one for one in model.settings)


async def test_each_turn_is_told_what_it_is_for_and_stays_told():
    model = ScriptedModel.saying(
        ["Gallu is a demon.", "Lilu: a spirit. Answer: a spirit", "A ghost.", "Answer: a ghost"]
    )
    result = await talk(format="plain", until=Agreement() | MaxTurns(6)).run(QUESTION, model=model)
    first, second, third = model.prompts[0], model.prompts[1], model.prompts[2]
    assert first[-1].text.endswith("No answer yet.") and "Then the answer" in second[-1].text
    assert third[: len(first)] == first, "a prompt begins with the one before, so that the cache serves it"
    assert result.transcript[2].answer == "A ghost", "nothing else was asked for, so no mark is needed"
    assert result.stop_reason == "agreement" and result.answer == "a ghost"


async def test_a_last_answer_is_asked_for_in_place_of_the_turn():
    model = ScriptedModel.saying(["Gallu is a demon.", "spirit"])
    await talk(until=MaxTurns(1)).run(QUESTION, model=model)
    assert "No answer yet" not in model.prompts[-1][-1].text
    assert model.prompts[-1][-1].text.startswith("The conversation ends here")


async def test_without_guidance_nobody_is_told_what_to_do():
    model = ScriptedModel.saying(["Gallu is a demon.", "spirit"])
    await talk(protocol=InfoExchange(guided=False), until=MaxTurns(2), last_answer=0).run(QUESTION, model=model)
    assert model.prompts[0][-1].text == f"Question: {QUESTION}"
