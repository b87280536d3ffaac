from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.tools import DocumentError, NothingFound, Passage, PassageIndex, passage_search
from agentrt.tools.passages import words
from executor import Executor, Failed, Finished, Ref, Task

SAMPLE = Path(__file__).parents[2] / "examples" / "data" / "hotpotqa_comparison.json"


@pytest.fixture(scope="module")
def sample() -> PassageIndex:
    return PassageIndex.from_path(SAMPLE)


def test_the_sample_answers_its_own_questions(sample: PassageIndex) -> None:
    questions = json.loads(SAMPLE.read_text(encoding="utf-8"))
    assert len(sample) == 220
    for question in questions:
        for title in question["gold_titles"]:
            assert sample.search(title, 1)[0].title == title


def test_titles_come_first_and_accents_do_not_matter() -> None:
    index = PassageIndex(
        Passage(title, text, "s")
        for title, text in [
            ("Teatro Giuseppe Verdi", "Giuseppe Verdi Giuseppe Verdi"),
            ("Giuseppe Verdi (film)", "A film on Giuseppe Verdi."),
            ("Giuseppe Verdi", "A composer."),
            ("Hayden (musician)", "From Canada."),
            ("Joseph Haydn", "Hayden Hayden Hayden"),
            ("Géza", "Director."),
            ("東京", "日本の首都"),
        ]
    )
    assert [passage.title for passage in index.search("giuseppe verdi", 3)] == [
        "Giuseppe Verdi",
        "Giuseppe Verdi (film)",
        "Teatro Giuseppe Verdi",
    ]
    assert index.search("Hayden")[0].title == "Hayden (musician)"
    assert index.search("GEZA")[0].title == "Géza"
    assert index.search("首都")[0].title == "東京"


def test_nothing_found_and_odd_queries() -> None:
    index = PassageIndex([Passage("A", "a b", "s"), Passage("", "", "s")])
    assert index.search("zebra") == []
    assert index.search("") == []
    assert index.search("a", 0) == []
    assert [passage.score > 0 for passage in index.search("a " * 100_000, 10)] == [True]
    with pytest.raises(DocumentError, match="no passage with a word"):
        PassageIndex([Passage("", "…", "s")])
    with pytest.raises(DocumentError, match="no passage with a word"):
        PassageIndex([])


@pytest.mark.asyncio
async def test_the_tool_keeps_provenance(sample: PassageIndex) -> None:
    search = passage_search(sample)
    outcomes = await Executor([search]).run(
        [
            Task("1", "search", {"query": "King Vidor"}),
            Task("2", "search", {"query": Ref("1", ("title",))}),
            Task("3", "search", {"query": "qqqq"}),
            Task("4", "search", {"query": Ref("1")}),
        ]
    )
    first, second, third, fourth = (outcomes[name] for name in "1234")
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert isinstance(first.value, Passage)
    assert first.value == second.value
    assert "American film director" in first.value.text
    assert first.value.source == "hotpotqa_comparison.json[0]"
    assert isinstance(third, Failed)
    assert isinstance(third.error.__cause__, NothingFound)
    assert isinstance(fourth, Failed)
    assert "refer to one of its fields: title, text" in str(fourth.error)


def test_more_than_one_passage(sample: PassageIndex) -> None:
    search = passage_search(sample, name="wiki", k=3)
    assert search.name == "wiki"
    assert search.returns is not None
    assert search.returns["type"] == "array"
    found = search.function(query="dog breed")
    assert len(found) == 3
    assert found[0].score >= found[1].score >= found[2].score > 0
    with pytest.raises(ValueError, match="at least 1"):
        passage_search(sample, k=0)


@given(st.text(max_size=60))
def test_any_query_is_answered(query: str) -> None:
    for passage in _SMALL.search(query, 2):
        assert set(words(query)) & set(words(f"{passage.title} {passage.text}"))


_SMALL = PassageIndex([Passage("a b", "1 2 é", "s"), Passage("c", "中文", "s"), Passage("d", "a", "s")])
