"""Linking: mentions of every kind, ambiguity, and no link where there is no node."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_graph import N

from kg_rag.graph import NodeRecord
from kg_rag.linking import rewrites
from kg_rag.linking.acronyms import is_acronym, spelt
from kg_rag.linking.linker import Candidate, Link, Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.linking.ranking import FEATURES, Ranking
from kg_rag.store.build import build_graph
from kg_rag.store.local import LocalGraph, open_graph
from kg_rag.store.sources.port import Records
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
@example("' 0")
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


@pytest.mark.parametrize(
    ("short", "name", "least"),
    [
        ("ibd17", "inflammatory bowel disease 17", 1.0),
        ("coxpd30", "combined oxidative phosphorylation deficiency 30", 1.0),
        ("hld18", "hypomyelinating leukodystrophy 18", 1.0),
        ("cmt2i", "charcot marie tooth disease type 2i", 0.6),
        ("ms", "multiple sclerosis", 1.0),
    ],
)
def test_acronyms_are_spelt_out(short: str, name: str, least: float) -> None:
    assert spelt(short, name.split()) >= least


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("ibd17", "inflammatory bowel disease 18"),
        ("ibd", "inflammatory bowel disease 18"),
        ("ibd17", "inflammatory bowel disease"),
        ("xyz", "multiple sclerosis"),
        ("m", "multiple sclerosis"),
        ("msq", "multiple sclerosis"),
        ("lung", "lung"),
        ("", "multiple sclerosis"),
    ],
)
def test_what_is_no_acronym_of_a_name(short: str, name: str) -> None:
    assert spelt(short, name.split()) == 0


@given(st.text(alphabet="abc1 ", max_size=9), st.lists(st.text(alphabet="abc1", min_size=1, max_size=4), max_size=12))
def test_a_share_is_a_share(short: str, name: list[str]) -> None:
    assert 0 <= spelt(normalise(short).replace(" ", ""), name) <= 1


@pytest.mark.parametrize(("mention", "is_one"), [("IBD17", True), ("HMN IIC", True), ("lung", False), ("I", False)])
def test_how_acronyms_are_written(mention: str, is_one: bool) -> None:
    assert is_acronym(mention) == is_one


def test_an_acronym_finds_its_node(tmp_path: Path) -> None:
    names = [f"inflammatory bowel disease {number}" for number in (1, 7, 17)] + ["bowel infection", "disease of irises"]
    build_graph(Records([NodeRecord(name, name) for name in names]), tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        assert linked(graph, "IBD17") == "inflammatory bowel disease 17"
        assert linked(graph, "IBD18") == ""


class EagerLinker(Linker):
    """Links every capitalised word, as a large graph has something like nearly all of them."""

    def link(self, mention: str, *, limit: int = 5, kinds: Collection[str] | None = None) -> Link:
        found = (Candidate(0, 0.9, mention, "similar"),) if mention.isalpha() and mention.istitle() else ()
        return Link(mention, found, 0.2)


def test_a_known_name_is_not_cut_by_what_stands_beside_it(tmp_path: Path) -> None:
    build_graph(Records([NodeRecord(name, name, "Film") for name in ("Juice", "Susan Buice")]), tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        links = MentionFinder(EagerLinker(graph)).find("who saw Susan Buice film quarks")
        assert "Susan Buice" in [link.mention for link in links]


def test_numbers_of_options_are_part_of_no_name(tmp_path: Path) -> None:
    build_graph(Records([NodeRecord(name, name) for name in ("EGFR 2", "EGFR", "MAT2B", "CAD 1")]), tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        finder = MentionFinder(Linker(graph))
        options = finder.find("Which binds? 1. EGFR 2. MAT2B")
        assert [one.mention for one in options] == ["EGFR", "MAT2B"]
        assert [one.mention for one in finder.find("Is it EGFR 2. That is what I ask.")] == ["EGFR 2"]
