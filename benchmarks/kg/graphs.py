"""The graphs the figures are measured on, built once from the shared data and kept under the cache folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks.kg import metaqa
from kg_rag.graph import Schema
from kg_rag.store.build import build_graph
from kg_rag.store.layout import FORMAT
from kg_rag.store.local import LocalGraph, open_graph, schema_from_json
from kg_rag.store.sources.port import GraphSource, Records
from kg_rag.store.sources.tables import Tables

ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path | None:
    """The folder of the shared data, or None."""
    folder = Path(os.environ.get("AGENTRT_DATA", ROOT.parent / "shared" / "data")) / "kg"
    return folder if folder.is_dir() else None


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "agentrt" / "benchmarks" / "kg"


def hetionet_schema() -> Schema:
    text = (ROOT / "examples" / "data" / "kg" / "hetionet.schema.json").read_text("utf-8")
    return schema_from_json(json.loads(text))


def hetionet(data: Path) -> Path:
    source = Tables(data / "hetionet_edges.parquet", data / "hetionet_nodes.parquet", schema=hetionet_schema())
    return _built("hetionet", source)


def movies(data: Path) -> Path:
    return _built("metaqa", Tables(data / "metaqa_kb.parquet", schema=metaqa.SCHEMA), create=True)


def diseases(data: Path) -> Path:
    from benchmarks.kg.mentions import disease_mentions

    return _built("diseases", Records(disease_mentions(data)[0], name="disease ontology"))


def _built(name: str, source: GraphSource, *, create: bool = False) -> Path:
    """A graph's folder, built when this code's layout or the schema is another than when it was last built."""
    path = cache_folder() / name
    stamp = path.with_suffix(".stamp")
    wanted = f"{FORMAT} {source.schema}"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        build_graph(source, path, unknown="create" if create else "refuse")
        stamp.write_text(wanted, "utf-8")
    return path


def opened(path: Path) -> LocalGraph:
    return open_graph(path)
