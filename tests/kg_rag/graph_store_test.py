"""The store: what was put in comes out, and what is broken is said to be."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graph import EDGES, NODES, SCHEMA, N

from kg_rag.errors import (
    BuildInProgress,
    DuplicateNode,
    GraphCorrupt,
    GraphFormatMismatch,
    GraphNotFound,
    UnknownEdgeType,
    UnknownEndpoint,
    UnknownNode,
)
from kg_rag.graph import EdgeRecord, NodeRecord, Schema, Step
from kg_rag.store.build import build_graph
from kg_rag.store.drift import compare
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.local import LocalGraph, open_graph, schema_from_json, schema_to_json
from kg_rag.store.sources.port import GraphSource, Records


def test_records_come_back(small: LocalGraph) -> None:
    assert (small.info.nodes, small.info.edges, small.info.version) == (len(NODES), len(EDGES), "1")
    node = small.nodes([N["G:1"]])[0]
    assert (node.id, node.synonyms, node.description) == ("G:1", ("5-HT2C",), "a serotonin receptor")
    edge = small.edges([0])[0]
    assert (edge.type, edge.sources, edge.evidence, edge.licence) == (
        "binds",
        ("ChEMBL", "PubChem"),
        "IDA",
        "CC BY 4.0",
    )
    assert edge.attributes == {"affinity": 3}
    small.verify()


def test_unknown_names_are_refused_with_what_there_is(small: LocalGraph, tmp_path: Path) -> None:
    with pytest.raises(UnknownNode, match="no node 'G:99'"):
        small.index("G:99")
    with pytest.raises(UnknownEdgeType, match=r"bind.*binds"):
        small.label(Step("bind"))
    with pytest.raises(GraphNotFound, match="build one"):
        open_graph(tmp_path / "nothing")


def test_an_unknown_graph_names_its_neighbours(small_path: Path) -> None:
    with pytest.raises(GraphNotFound, match="there is small"):
        open_graph(small_path.parent / "smal")


def test_schema_survives_json() -> None:
    assert schema_from_json(json.loads(json.dumps(schema_to_json(SCHEMA)))) == SCHEMA


edges_of_random_graphs = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from("abc"), st.integers(0, 8)), min_size=0, max_size=40
)


@settings(max_examples=40)
@given(edges_of_random_graphs)
def test_adjacency_agrees_with_the_edge_list(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, str, int]]
) -> None:
    path = tmp_path_factory.mktemp("random")
    nodes = [NodeRecord(str(number)) for number in range(9)]
    build_graph(Records(nodes, [EdgeRecord(str(a), t, str(b)) for a, t, b in edges]), path)
    with open_graph(path) as graph:
        for node in range(9):
            found = graph.around([node])
            expected = Counter(
                [(b, t, False) for a, t, b in edges if a == node] + [(a, t, True) for a, t, b in edges if b == node]
            )
            seen = Counter(
                (int(n), graph.types[int(label) // 2], bool(label % 2))
                for n, label in zip(found.neighbours, found.labels, strict=True)
            )
            assert seen == expected
            assert list(found.labels) == sorted(found.labels)
        weights = np.arange(9, dtype=float)
        swept = graph.sweep(weights)
        for node in range(9):
            assert swept[node] == pytest.approx(weights[graph.around([node]).neighbours].sum())
        together = graph.around(list(range(9)))
        assert len(together.edges) == 2 * len(edges)
        assert list(np.bincount(together.origins, minlength=9)) == list(graph.degrees(range(9)))


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (EdgeFilter(), {0, 1, 2}),
        (EdgeFilter(sources=frozenset({"ChEMBL"})), {0}),
        (EdgeFilter(min_strength=2), {0}),
        (EdgeFilter(evidence=frozenset({"IEA"})), {1}),
        (EdgeFilter(licences=frozenset({"CC BY"})), {0}),
        (EdgeFilter(licences=frozenset({"CC BY-SA"})), {1}),
        (EdgeFilter(types=frozenset({"up"})), set[int]()),
    ],
)
def test_filters(small: LocalGraph, where: EdgeFilter, kept: set[int]) -> None:
    edges = np.array([0, 1, 2])
    assert set(edges[small.passes(edges, where)].tolist()) == kept


def test_an_edge_to_nothing(tmp_path: Path) -> None:
    nodes, edges = [NodeRecord("a")], [EdgeRecord("a", "r", "b", where="edges.tsv:7"), EdgeRecord("a", "r", "a")]
    with pytest.raises(UnknownEndpoint, match=r"edges\.tsv:7.*'b'.*unknown="):
        build_graph(Records(nodes, edges), tmp_path / "g")
    assert build_graph(Records(nodes, edges), tmp_path / "g", unknown="skip").edges == 1
    made = build_graph(Records(nodes, edges), tmp_path / "g", unknown="create")
    assert (made.nodes, made.edges) == (2, 2)
    with open_graph(tmp_path / "g") as graph:
        assert graph.find("b") == 1


def test_one_id_twice(tmp_path: Path) -> None:
    nodes = [NodeRecord("a", "Alpha"), NodeRecord("a", "First letter", where="nodes.csv:3")]
    with pytest.raises(DuplicateNode, match=r"nodes\.csv:3"):
        build_graph(Records(nodes), tmp_path / "g")
    build_graph(Records(nodes), tmp_path / "g", duplicates="merge")
    with open_graph(tmp_path / "g") as graph:
        assert graph.nodes([0])[0].synonyms == ("First letter",)


def snapshot(path: Path) -> Path:
    return path / "snapshots" / (path / "CURRENT").read_text()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build_graph(Records(NODES, EDGES), tmp_path / "g")
    return tmp_path / "g"


@pytest.mark.parametrize("name", ["edges.npy", "graph.sqlite", "gram_docs.npy", "manifest.json"])
def test_a_file_that_is_missing_or_cut_short(built: Path, name: str) -> None:
    file = snapshot(built) / name
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(GraphCorrupt, match="build it again"):
        open_graph(built)
    file.unlink()
    with pytest.raises(GraphCorrupt):
        open_graph(built)


def test_a_changed_file_fails_verification(built: Path) -> None:
    file = snapshot(built) / "neighbours.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with open_graph(built) as graph, pytest.raises(GraphCorrupt, match="neighbours"):
        graph.verify()


def test_another_format(built: Path) -> None:
    file = snapshot(built) / "manifest.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 7'))
    with pytest.raises(GraphFormatMismatch, match="format 7"):
        open_graph(built)


@pytest.mark.parametrize("text", ["", "../elsewhere", "gone"])
def test_current_must_name_a_snapshot(built: Path, text: str) -> None:
    (built / "CURRENT").write_text(text)
    with pytest.raises(GraphCorrupt):
        open_graph(built)


def test_a_first_build_that_never_finished(tmp_path: Path) -> None:
    (tmp_path / "g" / "building").mkdir(parents=True)
    with pytest.raises(GraphCorrupt, match="never finished"):
        open_graph(tmp_path / "g")


class KillsItself(GraphSource):
    """A source that kills its process in the middle of the edges."""

    schema: ClassVar[Schema] = Schema()

    def nodes(self) -> Iterator[NodeRecord]:
        return iter(NODES)

    def edges(self) -> Iterator[EdgeRecord]:
        yield from EDGES
        os.kill(os.getpid(), signal.SIGKILL)


class KillsAt:
    """A build's progress that kills its process when it comes to one phase; can be sent to another process."""

    def __init__(self, phase: str) -> None:
        self._phase = phase

    def __call__(self, what: str, done: int) -> None:
        if what == self._phase:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("phase", ["nodes", "indexing edges", "indexing names"])
def test_a_build_killed_in_any_phase_leaves_the_old_graph(built: Path, phase: str) -> None:
    again = multiprocessing.get_context("spawn").Process(
        target=build_graph, args=(Records(NODES, EDGES[:1]), built), kwargs={"progress": KillsAt(phase)}
    )
    again.start()
    again.join(60)
    assert again.exitcode == -signal.SIGKILL
    assert (built / "building").exists()
    with open_graph(built) as graph:
        graph.verify()
        assert graph.info.edges == len(EDGES)


def test_a_killed_build_leaves_the_old_graph(built: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=build_graph, args=(KillsItself(), built))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with open_graph(built) as graph:
        assert graph.info.edges == len(EDGES)
    # What the killed build left is cleared away, and its lock is gone with it.
    assert build_graph(Records(NODES, EDGES[:2]), built).edges == 2
    assert not (built / "building").exists()


class BuildsAgain(Records):
    """A source that tries to build the graph it is being built into."""

    def __init__(self, path: Path) -> None:
        super().__init__(NODES)
        self._path = path

    def nodes(self) -> Iterator[NodeRecord]:
        with pytest.raises(BuildInProgress):
            build_graph(Records(), self._path)
        return super().nodes()


def test_two_builds_at_once(tmp_path: Path) -> None:
    assert build_graph(BuildsAgain(tmp_path / "g"), tmp_path / "g").nodes == len(NODES)


def test_readers_keep_the_snapshot_they_opened(built: Path) -> None:
    with open_graph(built) as old:
        build_graph(Records(NODES, EDGES[:1]), built)
        assert old.info.edges == len(EDGES)
        assert old.edges([len(EDGES) - 1])[0].type == "born"


def test_equal_content_has_an_equal_digest(tmp_path: Path) -> None:
    one = build_graph(Records(NODES, EDGES), tmp_path / "a", name="g")
    assert build_graph(Records(NODES, EDGES), tmp_path / "b", name="g").snapshot == one.snapshot
    assert build_graph(Records(NODES, EDGES[1:]), tmp_path / "c", name="g").snapshot != one.snapshot


def test_drift(tmp_path: Path) -> None:
    old = [NodeRecord("a", "Alpha"), NodeRecord("b", "Beta"), NodeRecord("c", "Gamma"), NodeRecord("d", "Delta")]
    new = [NodeRecord("a", "Alfa"), NodeRecord("b2", "Bee", "", ("beta",)), NodeRecord("d", "Delta"), NodeRecord("e")]
    build_graph(Records(old, [EdgeRecord("a", "r", "b")]), tmp_path / "old")
    build_graph(Records(new), tmp_path / "new")
    with open_graph(tmp_path / "old") as before, open_graph(tmp_path / "new") as after:
        drift = compare(before, after, saved=["a", "b", "c", "d"])
        assert compare(before, before).empty
    assert drift.renamed == {"a": ("Alpha", "Alfa")}
    assert drift.merged == {"b": "b2"}
    assert (drift.vanished, drift.added) == (("c",), 2)
    assert drift.edge_types == {"r": (1, 0)}
    assert drift.touched == ("a", "b", "c")
