"""Message formats: what is read out of a message, and how it reads to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiagent import FORMATS, Transcript, Turn, gloss
from multiagent.formats import ONE_LINE, answer_line
from multiagent.speaking import own_words


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is. Answer: a spirit.", "a spirit"),
        ("**Answer:** 42", "42"),
        ("Answer: 1\nNo. Final answer: 2", "2"),
        ("The answer is: Rome", "Rome"),
        ("Answer:", None),
        ("I cannot answer that.", None),
        ("unanswered: x", None),
    ],
)
def test_answer_lines(text, answer):
    assert answer_line(text) == answer


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("compact", "? who is Lilu\n+ Gallu: demon\n= a spirit", "a spirit"),
        ("compact", "+ Gallu: demon; = a spirit", "a spirit"),
        ("compact", "Answer: a spirit", "a spirit"),
        ("json", '```json\n{"tell": ["Lilu is a spirit"], "answer": "a spirit"}\n```', "a spirit"),
        ("json", '{"answer": 42}', "42"),
        ("json", '{"answer": null, "ask": "x"}', None),
        ("triples", "Lilu | is | ?\nanswer | a spirit", "a spirit"),
        ("plain", "It is a spirit. Answer: a spirit", "a spirit"),
    ],
)
def test_answers_in_each_format(name, text, answer):
    assert FORMATS[name].answer(text) == answer


def test_a_compact_talk_reads_well():
    talk = Transcript("?", (Turn("alice", "? Lilu\n+ Gallu: demon"), Turn("bob", "= a spirit"), Turn("alice", "")))
    assert gloss(talk, FORMATS["compact"]).splitlines() == [
        "alice asks: Lilu",
        "alice tells: Gallu: demon",
        "bob answers: a spirit",
        "alice is silent.",
    ]


def test_whether_a_message_keeps_to_its_format():
    assert FORMATS["compact"].conforms("+ Gallu: demon\n= x")
    assert not FORMATS["compact"].conforms("Well, let me think.")
    assert not FORMATS["json"].conforms("{broken")


@given(st.sampled_from(sorted(FORMATS)), st.text(max_size=200))
def test_reading_never_fails_and_invents_nothing(name, text):
    form = FORMATS[name]
    items = form.items(text)
    assert bool(items) <= bool(text.strip())
    answer = form.answer(text)
    assert answer is None or answer
    if answer is not None and name != "json":
        assert answer in text


@given(
    st.lists(st.tuples(st.sampled_from("?+="), st.from_regex(r"[a-z]{1,8}( [a-z]{1,8})?", fullmatch=True)), min_size=1)
)
def test_compact_is_read_as_it_was_written(items):
    kinds = {"?": "asks", "+": "tells", "=": "answers"}
    read = FORMATS["compact"].items("\n".join(f"{mark} {text}" for mark, text in items))
    assert [(item.kind, item.text) for item in read] == [(kinds[mark], text) for mark, text in items]


@pytest.mark.parametrize(
    ("text", "own", "cut"),
    [
        ("alice: hello", "hello", False),
        ("Bob: please tell me more", "Bob: please tell me more", False),
        ("hello\n**bob**: hi", "hello", True),
        ("I asked bob: nothing", "I asked bob: nothing", False),
    ],
)
def test_own_words(text, own, cut):
    assert own_words(text, "alice", ["bob"]) == (own, cut)


@pytest.mark.parametrize(
    ("duty", "text", "kept"),
    [
        ("share", "+ Gallu: demon", True),
        ("share", "= a spirit", False),
        ("share", "+ = a spirit", False),
        ("answer", "+ Lilu: spirit of the night\n= a spirit", True),
        ("answer", "+ Lilu: spirit of the night", False),
        ("answer", "= a spirit", False),
        ("settle", "= a spirit", True),
        ("settle", "+ Lilu: spirit of the night\n= a spirit", False),
        ("settle", "= " + "word " * 12, False),
        ("solve", "+ 16-3-4=9\n+ 9*2=18\n= 18", True),
        ("solve", "Let me see.", False),
        ("review", "AGREE", True),
        ("review", "+ 16-3 is 13", True),
        ("review", "= 18", False),
    ],
)
def test_what_compact_is_held_to(duty, text, kept):
    grammars = pytest.importorskip("xgrammar")
    from xgrammar.testing import _is_grammar_accept_string  # the package has no public matcher of whole texts

    compact = FORMATS["compact"]
    assert _is_grammar_accept_string(grammars.Grammar.from_ebnf(compact.grammars[duty]), text) is kept
    if kept and text != "AGREE":
        assert compact.conforms(text)


def test_a_last_answer_is_one_short_line():
    grammars = pytest.importorskip("xgrammar")
    from xgrammar.testing import _is_grammar_accept_string

    line = grammars.Grammar.from_ebnf(ONE_LINE)
    assert _is_grammar_accept_string(line, "the Lilu of ancient China")
    assert not _is_grammar_accept_string(line, "a spirit\nIt is") and not _is_grammar_accept_string(line, "x " * 40)


def test_a_fact_that_its_grammar_ended_loses_the_word_the_rest_was_written_into():
    compact = FORMATS["compact"]
    fact = "+ " + " ".join(f"word{n}" for n in range(19))
    assert compact.trims["answer"](f"{fact} frontcover.ofthegame\n= Irvine") == f"{fact}\n= Irvine"
    short = "+ Two Dollar Radio is based in Columbus, Ohio.\n= Columbus, Ohio"
    assert compact.trims["answer"](short) == short
    assert "settle" not in compact.trims
