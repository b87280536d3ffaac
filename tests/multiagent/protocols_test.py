"""Debate, jury, judge, feedback, self-consistency, and the statistics of agreement."""

import pytest

from multiagent import (
    Agent,
    Case,
    Conversation,
    ConversationResult,
    Debate,
    FeedbackLoop,
    InfoExchange,
    Judge,
    Jury,
    MaxTurns,
    MemoryCheckpoints,
    TokenBudget,
    Transcript,
    Turn,
    cohen_kappa,
    converse_all,
    fleiss_kappa,
    jury_statistics,
    self_consistency,
)
from multiagent.errors import AgentFailed, WrongAgents
from multiagent.protocols.debate import agrees
from multiagent.protocols.jury import read_vote
from multiagent.sampling import group_answers
from multiagent.testing import ScriptedModel

JUDGES = [Agent(f"judge{n}") for n in range(3)]


def by_name(replies):
    def reply(messages):
        name = messages[0].text.split("You are ")[1].split(".")[0]
        return replies[name]

    return ScriptedModel.saying(reply)


@pytest.mark.asyncio
async def test_a_jury_votes_on_what_the_solvers_said():
    model = by_name(
        {"ann": "Answer: 41", "ben": "Answer: 42", "judge0": "VOTE: B", "judge1": "VOTE: A", "judge2": "I say\nVOTE: B"}
    )
    agents = [Agent("ann"), Agent("ben"), *JUDGES]
    result = await Conversation(agents, Jury(3), until=MaxTurns(10)).run("6 x 7?", model=model)
    assert result.answer == "42" and result.stop_reason == "voted"
    assert result.details["votes"] == {"judge0": "B", "judge1": "A", "judge2": "B"}
    assert result.details["agreed"] == pytest.approx(2 / 3)
    assert [turn.wave for turn in result.transcript] == [0, 0, 1, 1, 1]
    judged = [str(prompt) for prompt in model.prompts if "You are judge" in prompt[0].text]
    assert all("41" in prompt and "42" in prompt and "I say" not in prompt for prompt in judged)
    assert all("41" not in str(prompt) for prompt in model.prompts if "You are ben" in prompt[0].text)


@pytest.mark.asyncio
async def test_a_judge_chooses_among_given_candidates():
    model = ScriptedModel.saying(["VOTE: A"])
    result = await Conversation([Agent("judge")], Judge(candidates=["yes", "no"]), until=MaxTurns(3)).run(
        "?", model=model
    )
    assert result.answer == "yes" and result.stop_reason == "voted"
    assert "A: yes\nB: no" in model.prompts[0][0].text


@pytest.mark.asyncio
async def test_a_jury_without_a_single_vote_says_so():
    model = ScriptedModel.saying(lambda _: "I cannot decide between A and B, sorry")
    jury = Conversation(JUDGES, Jury(3, candidates=["x", "y"]), until=MaxTurns(3), last_answer=0)
    result = await jury.run("?", model=model)
    assert result.answer is None and result.details["votes"] == {} and result.stop_reason == "voted"


@pytest.mark.asyncio
async def test_one_agent_alone_ends_with_its_answer():
    model = ScriptedModel.saying(["Let me think.", "Answer: 42"])
    result = await Conversation([Agent("ann")]).run("6 x 7?", model=model)
    assert (result.answer, result.stop_reason, len(model.prompts)) == ("42", "answered", 2)


def test_juries_that_cannot_be():
    with pytest.raises(WrongAgents, match="3 judges and at least one solver"):
        Conversation(JUDGES, Jury(3), until=MaxTurns(3))
    with pytest.raises(WrongAgents, match="takes 1 judges and got 3"):
        Conversation(JUDGES, Judge(candidates=["x"]), until=MaxTurns(3))


@pytest.mark.parametrize(
    ("text", "vote"),
    [("VOTE: B", "B"), ("vote: b", "B"), ("B", "B"), ("(B)", "B"), ("A or B", None), ("VOTE: C", None), ("two", "B")],
)
def test_reading_votes(text, vote):
    assert read_vote(text, {"A": "one", "B": "two"}) == vote


@pytest.mark.asyncio
async def test_a_feedback_loop_ends_with_approval_or_its_rounds():
    script = ["A draft", "Too short.", "A longer draft", "APPROVED"]
    agents = [Agent("writer"), Agent("reviewer")]
    loop = Conversation(agents, FeedbackLoop(3), until=MaxTurns(20))
    result = await loop.run("Write.", model=ScriptedModel.saying(script))
    assert (result.answer, result.stop_reason) == ("A longer draft", "approved")
    never = ScriptedModel.saying(lambda _: f"More of it, number {len(never.prompts)}.")
    result = await loop.run("Write.", model=never)
    assert result.stop_reason == "rounds" and len(result.transcript) == 6
    assert result.details == {"reviews": 3, "approved": False}


@pytest.mark.parametrize(
    ("text", "yes"),
    [("AGREE", True), ("I agree.", True), ("**AGREE**", True), ("I disagree", False), ("Agree with part of it", False)],
)
def test_what_counts_as_agreeing(text, yes):
    assert agrees(text) is yes


@pytest.mark.asyncio
async def test_self_consistency_takes_the_largest_group_and_survives_failures():
    model = ScriptedModel.saying(["Answer: Rome", "Answer: Paris", "Answer: the Paris", "no idea"])
    alone = Conversation([Agent("solver")], until=MaxTurns(1), last_answer=0)
    consensus = await self_consistency(alone, "?", model=model, samples=5, concurrency=1, seed=0)
    assert consensus.answer == "Paris" and consensus.share == pytest.approx(2 / 5)
    assert consensus.groups == (("Paris", "the Paris"), ("Rome",))
    assert len(consensus.samples) == 4 and isinstance(consensus.failures[0], AgentFailed)
    assert [settings["seed"] for settings in model.settings] == [0, 1, 2, 3, 4]


@pytest.mark.asyncio
async def test_self_consistency_sends_no_seeds_unless_told_to():
    model = ScriptedModel.saying(lambda _: "Answer: Rome")
    await self_consistency(Conversation([Agent("solver")], until=MaxTurns(1)), "?", model=model, samples=2)
    assert all("seed" not in settings for settings in model.settings)


def test_answers_are_grouped_by_likeness():
    assert group_answers([]) == ()
    assert group_answers(["z b c d e f g h i j", "z b c d e f g h i x"], 0.9) == (
        ("z b c d e f g h i j", "z b c d e f g h i x"),
    )
    assert len(group_answers(["x", "y"])) == 2


@pytest.mark.asyncio
async def test_conversations_run_at_once_and_keep_their_order():
    model = ScriptedModel.saying(lambda messages: f"Answer: {messages[-1].text.split()[-1]}")
    alone = Conversation([Agent("solver")], until=MaxTurns(1) | TokenBudget(100))
    results = await converse_all([Case(alone, f"say {n}") for n in range(9)], model=model, concurrency=4)
    assert [result.answer for result in results if isinstance(result, ConversationResult)] == [str(n) for n in range(9)]
    with pytest.raises(ValueError, match="need a key each"):
        await converse_all([Case(alone, "?"), Case(alone, "?")], model=model, checkpoints=MemoryCheckpoints())


def test_kappa_against_textbook_values():
    one = ["y"] * 25 + ["n"] * 25
    other = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert cohen_kappa(["y", "n"], ["n", "y"]) == pytest.approx(-1.0)
    assert cohen_kappa(["y", "y"], ["y", "y"]) == 1.0
    fleiss = [row for counts in ([5, 0], [2, 3], [0, 5]) for row in [["y"] * counts[0] + ["n"] * counts[1]]]
    assert fleiss_kappa(fleiss) == pytest.approx((0.8 - (7**2 + 8**2) / 225) / (1 - (7**2 + 8**2) / 225))
    with pytest.raises(ValueError, match="same items"):
        cohen_kappa([], [])


def test_statistics_of_a_jury():
    votes = [{"x": "A", "y": "A"}, {"x": "B", "y": "B"}, {"x": "A", "y": "B"}, {"x": "A"}]
    found = jury_statistics(votes, labels=["A", "B", "A", "A"])
    assert found.questions == 3 and found.unanimous == pytest.approx(2 / 3)
    assert found.cohen["x", "y"] == pytest.approx(0.4)
    assert found.against_labels["x"] == 1.0 and found.against_labels["(jury)"] == 1.0


def test_the_duties_of_an_exchange_and_of_a_debate():
    names = ("ann", "ben", "carl")
    spoken = Transcript("?")
    duties = []
    for name in (*names, "ann"):
        duties.append(InfoExchange().duty(name, spoken, names))
        spoken = spoken.add(Turn(name, "+ x"))
    assert duties == ["share", "share", "answer", "settle"]
    assert InfoExchange(guided=False).duty("ann", spoken, names) is None
    assert Debate().duty("ann", spoken, names) == "solve" and Debate().duty("ben", spoken, names) == "review"
    assert FeedbackLoop().duty("ann", spoken, names) is None, "drafts are free"
