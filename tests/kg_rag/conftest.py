"""The small graph, built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_graph import EDGES, NODES, SCHEMA

from kg_rag.store.build import build_graph
from kg_rag.store.local import LocalGraph, open_graph
from kg_rag.store.sources.port import Records


@pytest.fixture(scope="session")
def small_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "small"
    build_graph(Records(NODES, EDGES, schema=SCHEMA), path, version="1")
    return path


@pytest.fixture
def small(small_path: Path) -> Iterator[LocalGraph]:
    with open_graph(small_path) as graph:
        yield graph
