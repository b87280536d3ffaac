"""Tables of nodes and edges: parquet, CSV and TSV, JSON lines. KGX is the TSV or JSON-lines form with its own names."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from kg_rag.errors import MalformedRecord
from kg_rag.graph import EdgeRecord, NodeRecord, Schema
from kg_rag.store.sources.columns import EDGE_COLUMNS, NODE_COLUMNS, Columns
from kg_rag.store.sources.port import GraphSource

_BATCH = 16_384


class Tables(GraphSource):
    """A node table and an edge table, each `.parquet`, `.csv`, `.tsv` or `.jsonl`.

    Args:
        edges: the edge table.
        nodes: the node table; without one the edges define the nodes, for which `unknown="create"` is needed.
        schema: how edge types and kinds are spoken of.
        columns: overrides of which column holds which field, such as `{"source": "a", "licence": "terms"}`.
    """

    def __init__(
        self,
        edges: str | Path,
        nodes: str | Path | None = None,
        *,
        schema: Schema | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self._edges = Path(edges)
        self._nodes = Path(nodes) if nodes else None
        self._chosen = dict(columns or {})
        self.name = self._edges.name
        self.schema = schema or Schema()

    def nodes(self) -> Iterator[NodeRecord]:
        if self._nodes is None:
            return
        columns: Columns | None = None
        for where, row in rows(self._nodes):
            if columns is None:
                columns = Columns.of(row, NODE_COLUMNS, ("id",), self._nodes.name, self._chosen_for(NODE_COLUMNS, row))
            yield columns.node(row, where)

    def edges(self) -> Iterator[EdgeRecord]:
        columns: Columns | None = None
        for where, row in rows(self._edges):
            if columns is None:
                needed = ("source", "type", "target")
                columns = Columns.of(row, EDGE_COLUMNS, needed, self._edges.name, self._chosen_for(EDGE_COLUMNS, row))
            yield columns.edge(row, where)

    def _chosen_for(self, known: Mapping[str, object], row: Mapping[str, object]) -> dict[str, str]:
        return {field: name for field, name in self._chosen.items() if field in known and name in row}


def rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The rows of a table, each with its place as `file:line`.

    Raises:
        MalformedRecord: a row does not fit the format, or the format is not known.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise MalformedRecord(path.name, f"there is no file {path}")
    if suffix == ".parquet":
        yield from _parquet_rows(path)
    elif suffix in (".csv", ".tsv", ".tab"):
        yield from _delimited_rows(path, "," if suffix == ".csv" else "\t")
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_rows(path)
    else:
        raise MalformedRecord(path.name, f"tables are .parquet, .csv, .tsv or .jsonl, not {suffix or 'without suffix'}")


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    parquet: Any = import_module("pyarrow.parquet")
    arrow: Any = import_module("pyarrow")
    try:
        file = parquet.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH):
            names = batch.schema.names
            for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                number += 1
                yield f"{path.name}:{number}", dict(zip(names, values, strict=True))
    except arrow.ArrowException as error:
        raise MalformedRecord(path.name, f"not a parquet file that can be read ({error})") from error


def _delimited_rows(path: Path, delimiter: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if not header:
                raise MalformedRecord(path.name, "the file is empty; its first row must name the columns")
            for values in reader:
                where = f"{path.name}:{reader.line_num}"
                if len(values) != len(header):
                    raise MalformedRecord(where, f"{len(values)} fields, the header names {len(header)}")
                yield where, dict(zip(header, values, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise MalformedRecord(f"{path.name}:{reader.line_num}", str(error)) from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value: Any = json.loads(line)
            except ValueError as error:
                raise MalformedRecord(f"{path.name}:{number}", f"not JSON ({error})") from error
            if not isinstance(value, dict):
                raise MalformedRecord(f"{path.name}:{number}", "a line must be one JSON object")
            yield f"{path.name}:{number}", value  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
