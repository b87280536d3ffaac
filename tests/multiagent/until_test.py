"""Stop conditions: what ends a conversation, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiagent import (
    Agreement,
    EndMark,
    MaxTurns,
    PingPong,
    Repeats,
    Silence,
    TokenBudget,
    Transcript,
    Turn,
    Usage,
    When,
)


def said(*turns: tuple[str, str] | tuple[str, str, str | None]) -> Transcript:
    return Transcript("?", tuple(Turn(speaker=t[0], text=t[1], answer=t[2] if len(t) > 2 else None) for t in turns))


@pytest.mark.parametrize(
    ("turns", "agreed"),
    [
        ([("a", "", "Paris"), ("b", "", "paris.")], True),
        ([("a", "", "18"), ("b", "", "$18.00")], True),
        ([("a", "", "Paris"), ("a", "", "Paris")], False),
        ([("a", "", "Paris"), ("b", "", None), ("a", "", "Paris")], False),
        ([("a", "", "Paris"), ("b", "", "Rome")], False),
        ([("a", "", "Paris"), ("b", "", "Paris"), ("a", "wait", None)], False),
        ([], False),
    ],
)
def test_agreement_takes_two_agents_and_two_successive_answers(turns, agreed):
    assert Agreement().reason(said(*turns)) == ("agreement" if agreed else None)


def test_agreement_of_three():
    transcript = said(("a", "", "x"), ("b", "", "x"), ("a", "", "x"))
    assert Agreement(3).reason(transcript) is None
    assert Agreement(3).reason(transcript.add(Turn("c", "", "x"))) == "agreement"


def test_the_mark_ends_only_where_it_stands_alone_at_the_end():
    mark = EndMark("TERMINATE")
    assert mark.reason(said(("a", "I will not say TERMINATE yet"))) is None
    assert mark.reason(said(("a", "TERMINATE\nor not?"))) is None
    assert mark.reason(said(("a", "Done.\n TERMINATE "))) == "end_mark"


def test_repeats_and_ping_pong():
    assert Repeats().reason(said(("a", "hm"), ("b", "hm"), ("a", "Hm "))) == "repeats"
    loop = [("a", "after you"), ("b", "no, after you")]
    assert PingPong().reason(said(*loop)) is None
    assert PingPong().reason(said(*loop, *loop)) == "ping_pong"
    assert Repeats().reason(said(*loop, *loop, *loop)) == "repeats"
    assert Repeats().reason(said(("a", "one thing"), ("b", "another"), ("a", "a third"))) is None


def test_silence_is_of_one_agent():
    assert Silence().reason(said(("a", "x"), ("b", ""), ("a", "y"), ("b", " "))) == "silence"
    assert Silence().reason(said(("a", ""), ("b", ""))) is None


def test_expressions_join_and_say_why():
    either = Agreement() | MaxTurns(2)
    both = MaxTurns(2) & When(lambda transcript: transcript[-1].speaker == "b", "b spoke last")
    assert either.reason(said(("a", "x"), ("b", "y"))) == "max_turns"
    assert both.reason(said(("a", "x"), ("b", "y"))) == "max_turns & b spoke last"
    assert both.reason(said(("b", "x"), ("a", "y"))) is None
    assert str((Agreement() & MaxTurns(2)) | TokenBudget(90)) == "(Agreement() & MaxTurns(2)) | TokenBudget(90)"


def test_the_strictest_budget_counts_and_one_under_and_limits_nothing():
    spent = Transcript("?", (Turn("a", "x", usage=Usage(completion=30)),))
    assert (TokenBudget(200, last_answer=20) | TokenBudget(100, last_answer=10)).allowance(spent) == 60
    assert (TokenBudget(100) & MaxTurns(3)).allowance(spent) is None
    assert (TokenBudget(100, last_answer=10) | MaxTurns(3)).reserve == 10


def test_a_budget_without_room_for_a_turn_is_refused():
    with pytest.raises(ValueError, match="leaves no room"):
        TokenBudget(50, last_answer=48)


CONDITIONS = st.recursive(
    st.sampled_from([Agreement(), MaxTurns(2), TokenBudget(80), EndMark("END"), Repeats(), PingPong(), Silence()]),
    lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda x: x[0] | x[1] if x[2] else x[0] & x[1]),
    max_leaves=5,
)
TURNS = st.lists(
    st.builds(
        Turn,
        speaker=st.sampled_from("abc"),
        text=st.sampled_from(["", "hm", "END", "other"]),
        answer=st.sampled_from([None, "x", "y"]),
        usage=st.builds(Usage, completion=st.integers(0, 40)),
    ),
    max_size=8,
)


@given(CONDITIONS, CONDITIONS, TURNS)
def test_or_and_and_mean_what_they_say(one, other, turns):
    transcript = Transcript("?", tuple(turns))
    left, right = one.reason(transcript), other.reason(transcript)
    assert ((one | other).reason(transcript) is None) == (left is None and right is None)
    assert ((one & other).reason(transcript) is None) == (left is None or right is None)


@given(CONDITIONS, TURNS)
def test_what_is_bounded_does_end(condition, turns):
    talked = Transcript("?", (*turns, *(Turn("a", f"turn {n}", usage=Usage(completion=9)) for n in range(200))))
    if condition.bounded:
        assert condition.reason(talked) is not None
