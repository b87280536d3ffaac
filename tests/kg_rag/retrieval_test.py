"""Retrieval and contexts: the right edges first, inside the budget, with their provenance."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_graph import N

from kg_rag.context.builder import ContextBuilder
from kg_rag.context.pruning import estimate_tokens, mmr, percentile_rule, within_budget
from kg_rag.context.sentences import sentences
from kg_rag.context.tokens import tokenizer_counter
from kg_rag.drawing import as_dot, as_networkx, as_svg
from kg_rag.errors import BudgetTooSmall, EmptyQuestion, NotFitted
from kg_rag.graph import EdgeRecord, NodeRecord, Step, parse_path
from kg_rag.langchain import KnowledgeGraphRetriever
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.pipeline import KnowledgeGraphRAG
from kg_rag.retrieval.neighbourhood import Neighbourhood
from kg_rag.retrieval.pagerank import personalised_pagerank
from kg_rag.retrieval.paths import PathPredictor, TypedPaths, follow, zero_shot_paths
from kg_rag.retrieval.port import GraphRetriever, Query
from kg_rag.retrieval.subgraph import PageRankEdges, PrizeSubgraph, shortest_walk
from kg_rag.store.build import build_graph
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.local import LocalGraph, open_graph
from kg_rag.store.sources.port import Records

RETRIEVERS: list[GraphRetriever] = [Neighbourhood(), TypedPaths(), PageRankEdges(), PrizeSubgraph(120)]


def query(graph: LocalGraph, text: str, where: EdgeFilter | None = None) -> Query:
    return Query(text, MentionFinder(Linker(graph)).find(text), where or EdgeFilter())


@pytest.mark.parametrize("retriever", RETRIEVERS, ids=lambda one: type(one).__name__)
def test_what_is_asked_comes_first(small: LocalGraph, retriever: GraphRetriever) -> None:
    found = retriever.retrieve(small, query(small, "What does Loxapine bind?"))
    assert found.edges[0] == 0
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert len(set(found.edges.tolist())) == len(found.edges)


@pytest.mark.parametrize("retriever", RETRIEVERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("question", ["What about nothing at all?", "糖尿病とは何ですか", ""])
def test_nothing_linked_nothing_found(small: LocalGraph, retriever: GraphRetriever, question: str) -> None:
    assert len(retriever.retrieve(small, query(small, question)).edges) == 0


@pytest.mark.parametrize("retriever", RETRIEVERS, ids=lambda one: type(one).__name__)
def test_filters_hold_everywhere(small: LocalGraph, retriever: GraphRetriever) -> None:
    where = EdgeFilter(licences=frozenset({"CC BY"}))
    found = retriever.retrieve(small, query(small, "What does Loxapine bind, HTR2C?", where))
    assert set(found.edges.tolist()) <= {0}


def test_pagerank_agrees_with_networkx(small: LocalGraph) -> None:
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    graph.add_nodes_from(range(small.info.nodes))
    for edge in small.edges(range(small.info.edges)):
        graph.add_edge(edge.source, edge.target)
    expected = nx.pagerank(nx.Graph(graph), alpha=0.7, personalization={N["C:1"]: 1.0}, tol=1e-12, max_iter=500)
    scores = personalised_pagerank(small, {N["C:1"]: 1.0}, damping=0.7, tolerance=1e-10)
    assert scores.sum() == pytest.approx(1.0)
    for node, score in expected.items():
        assert scores[node] == pytest.approx(score, abs=1e-6)


def test_pagerank_without_seeds_is_zero(small: LocalGraph) -> None:
    assert personalised_pagerank(small, {}).sum() == 0


def test_following_a_path(small: LocalGraph) -> None:
    walks = follow(small, N["C:1"], parse_path("binds ~binds binds"))
    assert {walk.nodes for walk in walks} == {
        (N["C:1"], N["G:1"], N["C:2"], N["G:1"]),
        (N["C:1"], N["G:1"], N["C:2"], N["G:2"]),
    }
    assert follow(small, N["C:1"], (Step("treats", True),)) == []
    assert len(follow(small, N["C:1"], parse_path("binds ~binds binds"), limit=1)) == 1


def test_shortest_walk(small: LocalGraph) -> None:
    walk = shortest_walk(small, N["D:1"], N["T:1"])
    assert walk is not None
    assert walk.nodes == (N["D:1"], N["C:1"], N["G:1"], N["T:1"])
    for at, edge in enumerate(small.edges(walk.edges)):
        assert {edge.source, edge.target} == set(walk.nodes[at : at + 2])
    assert shortest_walk(small, N["D:1"], N["T:1"], hops=2) is None
    assert shortest_walk(small, N["D:1"], N["Y:1"]) is None


def test_paths_are_learnt() -> None:
    asked = [f"{one} topicentity" for one in ("who directed", "director of", "release date of", "year of")]
    paths = [parse_path("directed_by")] * 2 + [parse_path("released")] * 2
    predictor = PathPredictor().fit(asked, paths)
    assert predictor.predict("who was the director of topicentity")[0][0] == parse_path("directed_by")
    with pytest.raises(NotFitted, match="fit"):
        PathPredictor().predict("who")


def test_paths_without_examples(small: LocalGraph) -> None:
    best = zero_shot_paths(small, "what is topicentity treated by", N["D:1"])[0][0]
    assert best == (Step("treats", True),)


def test_percentile_rule() -> None:
    kept = percentile_rule(np.array([0.9, 0.1, 0.8, 0.55, 0.2, 0.3, 0.1, 0.2]))
    assert kept.tolist() == [0, 2]
    assert percentile_rule(np.zeros(0)).tolist() == []
    assert percentile_rule(np.full(4, 0.4)).tolist() == []


def test_mmr_takes_unlike_sentences() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert mmr(np.array([1.0, 0.99, 0.8]), vectors, 3) == [0, 2, 1]


@given(st.lists(st.text(max_size=60), max_size=30), st.integers(0, 100))
def test_a_budget_is_never_exceeded(lines: list[str], budget: int) -> None:
    kept, used = within_budget(lines, budget, estimate_tokens)
    assert used <= budget
    assert kept == sorted(kept)


@pytest.mark.parametrize("rule", ["rank", "percentile", "mmr"])
@pytest.mark.parametrize("budget", [40, 100, 512])
def test_context(small: LocalGraph, rule: str, budget: int) -> None:
    found = Neighbourhood().retrieve(small, query(small, "What does Loxapine bind?"))
    context = ContextBuilder(budget, rule=rule, minimum=0.0).build(small, "What does Loxapine bind?", found)  # type: ignore[arg-type] - parametrised
    assert estimate_tokens(context.text) <= budget
    assert context.evidence[0].line == "[E1] Loxapine binds HTR2C. (ChEMBL, PubChem; IDA; CC BY 4.0)"
    assert [one.id for one in context.evidence] == [f"E{n}" for n in range(1, len(context.evidence) + 1)]
    assert context.left_out == len(found.edges) - len(context.evidence)


def test_a_budget_for_nothing(small: LocalGraph) -> None:
    found = Neighbourhood().retrieve(small, query(small, "Loxapine"))
    with pytest.raises(BudgetTooSmall, match="3 tokens"):
        ContextBuilder(3).build(small, "Loxapine", found)


def test_a_name_is_data(small: LocalGraph) -> None:
    line = sentences(small, [6])[0].line
    assert "\n" not in line
    assert line.count("[") == line.count("]") == 1
    assert line.startswith("[E1] evil (E9)")
    # Nothing in a name is a template: the braces are still there, and nothing was looked up.
    assert "{source.__class__}" in line


def test_pictures(small: LocalGraph) -> None:
    edges = list(range(small.info.edges))
    graph = as_networkx(small, edges)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (9, small.info.edges)
    assert as_svg(small, edges).count("<line") == small.info.edges
    assert "<script" not in as_svg(small, edges)
    assert as_dot(small, edges).count("->") == small.info.edges


def test_the_langchain_retriever(small: LocalGraph) -> None:
    documents = KnowledgeGraphRetriever(pipeline=KnowledgeGraphRAG(small)).invoke("What does Loxapine bind?")
    assert documents[0].page_content == "Loxapine binds HTR2C."
    assert documents[0].metadata["licence"] == "CC BY 4.0"


@pytest.mark.parametrize("question", ["", "  \n "])
def test_an_empty_question(small: LocalGraph, question: str) -> None:
    with pytest.raises(EmptyQuestion):
        KnowledgeGraphRAG(small).find(question)


def test_a_hub(tmp_path: Path) -> None:
    leaves = 50_000
    nodes = [NodeRecord("hub", "the great hub"), *(NodeRecord(f"n{at}", f"leaf {at}") for at in range(leaves))]
    edges = [EdgeRecord("hub", "holds", f"n{at}") for at in range(leaves)]
    build_graph(Records(nodes, edges), tmp_path / "hub")
    with open_graph(tmp_path / "hub") as graph:
        found = KnowledgeGraphRAG(graph, builder=ContextBuilder(200)).find("Does the great hub hold leaf 31415?")
        assert found.context.evidence[0].triple[2] == "leaf 31415"
        assert found.context.tokens <= 200
        assert len(found.retrieved.edges) == leaves


@pytest.mark.parametrize(
    ("question", "where", "said"),
    [
        ("What does Loxapine bind?", EdgeFilter(), []),
        ("What does liver bind?", EdgeFilter(), ['The graph has no "binds" statement about liver.']),
        (
            "Which disease does Leucovorin treat?",
            EdgeFilter(),
            ['The graph has no "treats" statement about Leucovorin.'],
        ),
        (
            "What does Loxapine bind?",
            EdgeFilter(licences=frozenset({"CC0"})),
            ['The graph has no "binds" statement about Loxapine under these filters.'],
        ),
        ("Tell me about Loxapine.", EdgeFilter(), []),
        ("What does nobody bind?", EdgeFilter(), []),
    ],
)
def test_what_is_asked_for_and_not_there_is_said(
    small: LocalGraph, question: str, where: EdgeFilter, said: list[str]
) -> None:
    assert list(KnowledgeGraphRAG(small, where=where).find(question).absent) == said


def test_a_budget_in_a_models_own_tokens(small: LocalGraph, tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    count = tokenizer_counter(tmp_path)
    assert count("one two  three\n") == 3
    context = KnowledgeGraphRAG(small, builder=ContextBuilder(14, count_tokens=count)).find("Loxapine").context
    assert len(context.evidence) == 1
    assert context.tokens == count(context.text) <= 14
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        tokenizer_counter(tmp_path / "nowhere")
