"""Neo4j as a source: what its rows become. No server runs here; one that is not there is met by the real driver."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from small_graph import EDGES, NODES, SCHEMA

from agentrt.cli.main import main
from kg_rag.errors import SourceError
from kg_rag.store.build import build_graph
from kg_rag.store.local import LocalGraph, open_graph
from kg_rag.store.sources.neo4j import READ_EDGES, READ_NODES, Neo4j

Row = Mapping[str, object]


class RecordedDriver:
    """Answers the two queries with rows as Bolt gives them, and counts sessions that are open."""

    def __init__(self, nodes: list[Row], edges: list[Row]) -> None:
        self._rows = {READ_NODES: nodes, READ_EDGES: edges}
        self.open = 0
        self.asked: list[Mapping[str, object]] = []

    def session(self, **settings: object) -> RecordedDriver:
        self.asked.append(settings)
        return self

    def __enter__(self) -> RecordedDriver:
        self.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.open -= 1

    def run(self, query: str) -> Iterator[Row]:
        return iter(self._rows[query])


def small_database() -> RecordedDriver:
    """The small graph as a database would hold it: element ids, labels, lists, and properties nobody knows."""
    element = {node.id: f"4:db:{at}" for at, node in enumerate(NODES)}
    nodes: list[Row] = [
        {
            "key": element[node.id],
            "labels": [node.kind, "Entity"],
            "properties": {
                "id": node.id,
                "name": node.name,
                **({"synonyms": [*node.synonyms]} if node.synonyms else {}),
                **({"description": node.description} if node.description else {}),
            },
        }
        for node in NODES
    ]
    edges: list[Row] = [
        {
            "source": element[str(edge.source)],
            "type": edge.type,
            "target": element[str(edge.target)],
            "properties": {
                "sources": [part for part in edge.sources.split("|") if part],
                "evidence": edge.evidence,
                "license": edge.licence,
                **cast("Mapping[str, object]", edge.attributes or {}),
            },
        }
        for edge in EDGES
    ]
    return RecordedDriver(nodes, edges)


def source(driver: RecordedDriver, **settings: Any) -> Neo4j:
    return Neo4j(cast("Any", driver), **settings)


def test_a_database_builds_the_graph_that_its_tables_would(small: LocalGraph, tmp_path: Path) -> None:
    driver = small_database()
    build_graph(source(driver, database="movies", schema=SCHEMA), tmp_path / "g", version="1")
    with open_graph(tmp_path / "g") as graph:
        everything = range(graph.info.nodes)
        assert graph.nodes(everything) == small.nodes(everything)
        assert graph.edges(range(graph.info.edges)) == small.edges(range(small.info.edges))
        assert [part.tolist() for part in graph.around(everything)] == [
            part.tolist() for part in small.around(everything)
        ]
    assert driver.open == 0
    assert all(asked == {"database": "movies", "default_access_mode": "READ"} for asked in driver.asked)


def test_what_has_no_id_or_label_is_called_by_its_element(tmp_path: Path) -> None:
    driver = RecordedDriver(
        [{"key": "4:db:0", "labels": [], "properties": {"name": "a", "type": "odd", "born": date(1950, 1, 2)}}], []
    )
    (node,) = source(driver).nodes()
    assert (node.id, node.kind, node.name) == ("4:db:0", "", "a")
    assert node.attributes == {"type": "odd", "born": "1950-01-02"}


def test_a_reader_that_stops_early_gives_its_session_back() -> None:
    driver = small_database()
    rows = source(driver).nodes()
    next(rows)
    assert driver.open == 1
    cast("Any", rows).close()
    assert driver.open == 0


class BrokenDriver(RecordedDriver):
    def __init__(self, trouble: Exception) -> None:
        super().__init__([], [])
        self.trouble = trouble

    def run(self, query: str) -> Iterator[Row]:
        raise self.trouble


def test_errors_of_the_server_say_where_and_what_next() -> None:
    from neo4j.exceptions import AuthError, CypherSyntaxError

    for trouble, told in (
        (CypherSyntaxError("elementId is unknown"), "neo4j: Neo4j 5 or later is needed.*elementId is unknown"),
        (AuthError("wrong"), "neo4j: Neo4j refuses the user: check name and password"),
    ):
        with pytest.raises(SourceError, match=told):
            list(source(BrokenDriver(trouble)).nodes())


def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("uri", ["bolt://127.0.0.1:{port}", "telnet://127.0.0.1:{port}", "bolt"])
def test_nobody_there_is_an_error_with_the_address(uri: str) -> None:
    address = uri.format(port=unused_port())
    with pytest.raises(SourceError, match=address), Neo4j.connect(address, password="secret"):
        pass


def test_without_the_driver_the_line_to_install_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neo4j", None)
    with pytest.raises(SourceError, match=r"pip install 'agentrt\[neo4j\]'"), Neo4j.connect("bolt://x"):
        pass


def test_the_command_says_so_and_leaves_no_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"bolt://127.0.0.1:{unused_port()}"
    monkeypatch.setattr(sys, "argv", ["agentrt", "kg", "build", str(tmp_path / "g"), "--neo4j", address])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    assert address in capsys.readouterr().err
    assert not (tmp_path / "g").exists()
