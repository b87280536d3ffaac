"""Sources of a build: each format, read and misread; and extraction from text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from small_graph import SCHEMA

from kg_rag.errors import DuplicateNode, MalformedRecord
from kg_rag.extract.sampling import choose_passages
from kg_rag.extract.triples import Statement, Statements, StatementStore, TripleExtractor, extract_documents
from kg_rag.linking.linker import Linker
from kg_rag.store.build import build_graph
from kg_rag.store.local import LocalGraph, open_graph
from kg_rag.store.sources.graphs import Joined, Snapshot
from kg_rag.store.sources.networks import Network
from kg_rag.store.sources.obo import Obo
from kg_rag.store.sources.tables import Tables

KGX_NODES = """id|category|name|synonym|xref
D:1|biolink:Disease|gout|podagra, gouty arthritis|X:9
C:1|biolink:Drug|colchicine||
""".replace("|", "\t").replace(", ", "|")
KGX_EDGES = """subject|predicate|object|primary_knowledge_source|license|score
C:1|biolink:treats|D:1|infores:x|CC0 1.0|0.5
""".replace("|", "\t")


def check(path: Path) -> None:
    with open_graph(path) as graph:
        gout = graph.nodes([graph.index("D:1")])[0]
        assert (gout.name, gout.kind, gout.synonyms) == ("gout", "Disease", ("podagra", "gouty arthritis"))
        edge = graph.edges([0])[0]
        assert (edge.type, edge.sources, edge.licence) == ("treats", ("infores:x",), "CC0 1.0")


def test_kgx_tsv(tmp_path: Path) -> None:
    (tmp_path / "nodes.tsv").write_text(KGX_NODES)
    (tmp_path / "edges.tsv").write_text(KGX_EDGES)
    build_graph(Tables(tmp_path / "edges.tsv", tmp_path / "nodes.tsv"), tmp_path / "g")
    check(tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        assert graph.edges([0])[0].attributes == {"score": "0.5"}


def test_csv_and_jsonl(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text(
        'id,name,kind,synonyms\nD:1,gout,Disease,podagra|gouty arthritis\nC:1,"a ""b"", c",Drug,\n'
    )
    row = {"subject": "C:1", "predicate": "treats", "object": "D:1", "sources": ["infores:x"], "license": "CC0 1.0"}
    (tmp_path / "edges.jsonl").write_text(json.dumps(row) + "\n\n")
    build_graph(Tables(tmp_path / "edges.jsonl", tmp_path / "nodes.csv"), tmp_path / "g")
    check(tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        assert graph.nodes([1])[0].name == 'a "b", c'


def test_parquet_with_row_numbers(tmp_path: Path) -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    nodes = {"idx": [7, 8], "id": ["C:1", "D:1"], "name": ["colchicine", "gout"], "kind": ["Drug", "Disease"]}
    nodes["synonyms"] = ["", "podagra|gouty arthritis"]
    parquet.write_table(arrow.table(nodes), tmp_path / "nodes.parquet")
    edges = {
        "src": [7],
        "metaedge": ["treats"],
        "dst": [8],
        "sources": ["infores:x"],
        "license": ["CC0 1.0"],
        "attrs": ['{"p": 1}'],
    }
    parquet.write_table(arrow.table(edges), tmp_path / "edges.parquet")
    build_graph(Tables(tmp_path / "edges.parquet", tmp_path / "nodes.parquet"), tmp_path / "g")
    check(tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        assert graph.edges([0])[0].attributes == {"p": 1}


def test_networkx(tmp_path: Path) -> None:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_node("D:1", name="gout", kind="Disease", synonyms=["podagra", "gouty arthritis"])
    graph.add_edge("C:1", "D:1", key="treats", sources=["infores:x"], licence="CC0 1.0")
    build_graph(Network(graph), tmp_path / "g")
    check(tmp_path / "g")


OBO = """format-version: 1.2
! a comment
[Term]
id: D:1
name: gout
namespace: Disease
def: "An \\"old\\" disease." [X:1]
synonym: "podagra" EXACT []
synonym: "foot pain" RELATED []
is_a: D:2 {x="y"} ! arthritis
relationship: located_in U:1 ! toe

[Term]
id: D:2
name: arthritis

[Term]
id: D:3
is_obsolete: true

[Typedef]
id: located_in
"""


def test_obo(tmp_path: Path) -> None:
    (tmp_path / "d.obo").write_text(OBO)
    assert build_graph(Obo(tmp_path / "d.obo"), tmp_path / "g", unknown="create").nodes == 3
    with open_graph(tmp_path / "g") as graph:
        node = graph.nodes([0])[0]
        assert (node.name, node.kind, node.synonyms, node.description) == (
            "gout",
            "Disease",
            ("podagra",),
            'An "old" disease.',
        )
        assert [(edge.type, graph.nodes([edge.target])[0].id) for edge in graph.edges([0, 1])] == [
            ("is_a", "D:2"),
            ("located_in", "U:1"),
        ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.tsv", "subject\tpredicate\tobject\na\tb\n", r"e\.tsv:2: 2 fields"),
        ("e.tsv", "", r"empty"),
        ("e.tsv", "subject\tobject\na\tb\n", r"no column metaedge or rel .* for the type"),
        ("e.csv", 'subject,predicate,object\n"a,b,c\n', r"e\.csv:\d"),
        ("e.jsonl", "{oops\n", r"e\.jsonl:1: not JSON"),
        ("e.jsonl", "[1]\n", r"one JSON object"),
        ("e.xls", "?", r"not \.xls"),
        ("e.parquet", "not parquet", r"e\.parquet: not a parquet file"),
    ],
)
def test_what_does_not_fit_its_format(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(MalformedRecord, match=message):
        build_graph(Tables(tmp_path / name), tmp_path / "g", unknown="create")
    assert not (tmp_path / "g" / "CURRENT").exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MalformedRecord, match="there is no file"):
        build_graph(Tables(tmp_path / "e.csv"), tmp_path / "g")


@pytest.mark.parametrize(
    "line", ["no colon here", "relationship: alone", "synonym: podagra EXACT []", "[Term]\nname: x"]
)
def test_obo_that_is_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "d.obo").write_text(f"[Term]\nid: D:1\n{line}\n")
    with pytest.raises(MalformedRecord, match=r"d\.obo"):
        build_graph(Obo(tmp_path / "d.obo"), tmp_path / "g", unknown="create")


def reply(*triples: tuple[str, str, str]) -> str:
    return json.dumps({"triples": [dict(zip(("subject", "relation", "object"), one, strict=True)) for one in triples]})


@pytest.mark.asyncio
async def test_extraction_keeps_what_the_text_says(small: LocalGraph) -> None:
    replies = [
        "Here: " + reply(("Loxapine", "binds", "DRD4"), ("Loxapine", "cures", "DRD4"), ("Aspirin", "binds", "DRD4")),
        "I refuse.",
    ]
    extractor = TripleExtractor(FakeListChatModel(responses=replies), SCHEMA, linker=Linker(small), at_once=1)
    found = await extractor.extract("doc1", "Loxapine binds DRD4. Nothing else is known.")
    assert [(one.subject_id, one.relation, one.object_id, one.sentence) for one in found] == [
        ("C:1", "binds", "text:drd4", 1)
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sentence", "triple", "spoken", "kept"),
    [
        ("Aspirin treats pain.", ("Aspirin", "treats", "pain"), True, 1),
        ("Aspirin is used in the treatment of pain.", ("Aspirin", "treats", "pain"), True, 0),
        ("Aspirin is used in the treatment of pain.", ("Aspirin", "treats", "pain"), False, 1),
        ("Pain is treated by Aspirin.", ("Aspirin", "treats", "Pain"), True, 1),
        ("Aspirin treats pain.", ("Aspirin", "binds", "pain"), True, 0),
        ("It treats pain.", ("It", "treats", "pain"), True, 0),
        ("The target of Aspirin is COX.", ("Aspirin", "binds", "COX"), True, 1),
    ],
)
async def test_a_relation_has_words_in_its_sentence(
    sentence: str, triple: tuple[str, str, str], spoken: bool, kept: int
) -> None:
    extractor = TripleExtractor(FakeListChatModel(responses=[reply(triple)]), SCHEMA, spoken=spoken)
    assert len(await extractor.extract("doc", sentence)) == kept


@pytest.mark.asyncio
async def test_extraction_is_incremental(tmp_path: Path) -> None:
    model = FakeListChatModel(responses=[reply(("p53", "binds", "DNA"))])
    extractor, store = TripleExtractor(model, SCHEMA), StatementStore(tmp_path / "s.jsonl")
    documents = {"one": "p53 binds DNA.", "two": "then p53 binds DNA."}
    assert [item async for item in extract_documents(extractor, documents, store)] == [("one", 1), ("two", 1)]
    assert [item async for item in extract_documents(extractor, documents, store)] == []
    assert [item async for item in extract_documents(extractor, {"one": "DNA, p53 binds DNA."}, store)] == [("one", 1)]
    assert len(store.statements()) == 2
    build_graph(Statements(store.statements(), schema=SCHEMA), tmp_path / "g")
    with open_graph(tmp_path / "g") as graph:
        edges = graph.edges(range(graph.info.edges))
        assert {(edge.sources, edge.evidence) for edge in edges} == {(("one",), "NLP"), (("two",), "NLP")}
        assert all(edge.attributes["sentence"] == 1 for edge in edges)


def test_passages_to_label_next() -> None:
    labelled = [("drug binds gene", "binds"), ("gene bound by drug", "binds"), ("drug treats disease", "treats")]
    passages = ["drug binds the gene", "drug gene disease", "drug gene disease", "weather report"]
    chosen = choose_passages(passages, labelled, 3)
    assert chosen[0] != 0
    assert not {1, 2} <= set(chosen[:2])
    assert sorted(choose_passages(passages, [], 10)) == [0, 1, 2, 3]


def test_statements_are_added_to_a_graph(small: LocalGraph, tmp_path: Path) -> None:
    told = [
        Statement("Loxitane", "treats", "gout", "doc1", 3, "Loxitane treats gout.", "C:1", "text:gout"),
        Statement("Loxapine", "treats", "gout", "doc2", 1, "Loxapine treats gout.", "C:1", "text:gout"),
    ]
    both = Joined(Snapshot(small), Statements(told, licence="CC0 1.0"))
    with pytest.raises(DuplicateNode):
        build_graph(both, tmp_path / "g")
    build_graph(both, tmp_path / "g", duplicates="merge")
    with open_graph(tmp_path / "g") as graph:
        assert (graph.info.nodes, graph.info.edges) == (small.info.nodes + 1, small.info.edges + 2)
        assert graph.schema == small.schema
        old = list(range(small.info.edges))
        assert graph.edges(old) == small.edges(old)
        # Names that a node has already are not its synonyms once more.
        assert graph.nodes([0])[0] == small.nodes([0])[0]
        edge = graph.edges([small.info.edges])[0]
        assert (edge.source, edge.sources, edge.evidence, edge.licence) == (0, ("doc1",), "NLP", "CC0 1.0")
        assert edge.attributes == {"sentence": 3, "text": "Loxitane treats gout."}


def test_a_graph_built_from_itself_is_equal(small: LocalGraph, tmp_path: Path) -> None:
    info = build_graph(Snapshot(small), tmp_path / "g", name=small.info.name, version=small.info.version)
    assert info.snapshot == small.info.snapshot
