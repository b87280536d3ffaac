"""Linking: mentions of every kind, ambiguity, and no link where there is no node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_graph import N

from kg_rag.linking import rewrites
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.linking.ranking import FEATURES, Ranking
from kg_rag.store.local import LocalGraph
from kg_rag.words import normalise, one_line, words


def linked(graph: LocalGraph, mention: str) -> str:
    best = Linker(graph).link(mention).best
    return graph.nodes([best.node])[0].id if best else ""


@pytest.mark.parametrize(
    ("mention", "node"),
    [
        ("Loxapine", "C:1"),
        ("LOXAPINE", "C:1"),
        ("loxitane", "C:1"),
        ("Loxapnie", "C:1"),
        ("5 HT2C", "G:1"),
        ("cancer, lung", "D:1"),
        ("carcinoma of breast", "D:2"),
        ("Leucovorrin", "C:2"),
        # Rules learnt from other nodes' synonyms: no name says "skin carcinoma".
        ("skin carcinoma", "D:4"),
    ],
)
def test_links(small: LocalGraph, mention: str, node: str) -> None:
    assert linked(small, mention) == node


@pytest.mark.parametrize(
    "mention", ["quantum chromodynamics", "", "   ", "?!", "糖尿病", "x" * 5000, "HTR2C'; DROP TABLE node"]
)
def test_what_is_no_node_is_not_linked(small: LocalGraph, mention: str) -> None:
    assert linked(small, mention) == ""


def test_an_ambiguous_mention_gives_both(small: LocalGraph) -> None:
    link = Linker(small).link("cat")
    assert {one.node for one in link.accepted} == {N["G:2"], N["A:1"]}
    assert Linker(small).link("cat", kinds={"Gene"}).best == next(
        one for one in link.candidates if one.node == N["G:2"]
    )


def found(graph: LocalGraph, question: str) -> list[tuple[str, int]]:
    return [(link.mention, link.accepted[0].node) for link in MentionFinder(Linker(graph)).find(question)]


@pytest.mark.parametrize(
    ("question", "mentions"),
    [
        ("Does Loxapine treat cancer of the lung?", ["Loxapine", "cancer of the lung"]),
        ("which drug binds HTR2C", ["HTR2C"]),
        ("WHICH DRUG BINDS HTR2C", ["HTR2C"]),
        ("Does Loxapnie bind HTR2C?", ["Loxapnie", "HTR2C"]),
        ("Which genes does it bind?", []),
        ("", []),
        ("糖尿病とは何ですか", []),
    ],
)
def test_mentions(small: LocalGraph, question: str, mentions: list[str]) -> None:
    assert [text for text, _ in found(small, question)] == mentions


def test_a_word_for_the_kind_settles_which_is_meant(small: LocalGraph) -> None:
    assert found(small, "What binds the gene CAT?") == [("CAT", N["G:2"])]
    assert found(small, "Where was the animal cat born?")[0][1] == N["A:1"]


def test_mentions_say_where_they_stand(small: LocalGraph) -> None:
    question = "Does the “Loxapine” bind 5-HT2C?"
    for link in MentionFinder(Linker(small)).find(question):
        assert question[link.start : link.end] == link.mention


@given(st.text(max_size=200))
def test_any_text_can_be_looked_for(small_path: object, text: str) -> None:
    with LocalGraph(next(iter((small_path / "snapshots").iterdir()))) as graph:  # type: ignore[operator] - a Path
        MentionFinder(Linker(graph)).find(text)


@given(st.text(max_size=80))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)


@given(st.text(max_size=400))
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text, 50)) <= 50
    assert len(one_line(text, 50).splitlines()) <= 1


def test_rules_are_what_two_names_do_not_share() -> None:
    assert ("carcinoma", "cancer") in set(rewrites.learn(["lung cancer", "lung carcinoma"]))
    assert ("imd#", "immunodeficiency #") in set(rewrites.learn(["immunodeficiency 7", "imd7"]))
    assert rewritten("imd58", "imd#", "immunodeficiency #") == "58 immunodeficiency"
    assert rewritten("skin carcinoma", "carcinoma", "cancer") == "cancer skin"
    assert rewritten("carcinoma", "carcinoma", "") is None


def rewritten(mention: str, gone: str, new: str) -> str | None:
    left = rewrites.left_over(mention.split(), gone)
    return None if left is None else rewrites.put(left, gone, new)


def test_fitting_a_ranking_separates() -> None:
    rows = [[at / 100] * len(FEATURES) for at in range(100)]
    ranking = Ranking.fit(rows, [at > 50 for at in range(100)])
    low, high = ranking.probabilities([rows[5], rows[95]])
    assert low < 0.5 < high
    assert len(ranking.probabilities([])) == 0
