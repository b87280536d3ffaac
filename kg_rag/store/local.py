"""A graph on this machine: SQLite holds the records, memory-mapped arrays hold what every question walks over."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from kg_rag.errors import GraphCorrupt
from kg_rag.graph import Edge, Indices, Mask, Node, Relation, Schema, Scores
from kg_rag.store.csr import CsrIndex, load_mapped
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.layout import DATABASE, current_snapshot, read_manifest, verify_checksums
from kg_rag.store.port import Adjacency, GraphInfo, GraphStore

_BATCH = 500


class LocalGraph(GraphStore):
    """One snapshot of a graph, open for reading. Use `open_graph`; as a context manager it closes itself."""

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        self.folder = folder
        self._manifest = manifest
        self._lock = threading.Lock()
        try:
            self._info = GraphInfo(
                name=str(manifest["name"]),
                version=str(manifest["version"]),
                snapshot=str(manifest["snapshot"]),
                nodes=int(manifest["nodes"]),
                edges=int(manifest["edges"]),
                kinds=dict(manifest["kinds"]),
                edge_types=dict(manifest["edge_types"]),
                licences=dict(manifest["licences"]),
            )
            self._types = tuple(str(name) for name in manifest["type_codes"])
            self.schema = schema_from_json(manifest["schema"])
            self.csr = CsrIndex(folder)
            uri = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro&immutable=1"
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
            stored = self._database.execute("SELECT value FROM meta WHERE key = 'snapshot'").fetchone()
        except (KeyError, TypeError, ValueError, OSError, sqlite3.DatabaseError) as error:
            raise GraphCorrupt(folder, f"{type(error).__name__}: {error}") from error
        if stored is None or stored[0] != self._info.snapshot:
            raise GraphCorrupt(folder, "records and manifest are of different snapshots")
        if len(self.csr.indptr) != self._info.nodes + 1 or len(self.csr.edges) != 2 * self._info.edges:
            raise GraphCorrupt(folder, "the adjacency index does not fit the records")
        # Filters recur from question to question; their tables are a few hundred entries each.
        self._tables = lru_cache(maxsize=64)(self._build_tables)

    def __enter__(self) -> LocalGraph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def info(self) -> GraphInfo:
        return self._info

    @property
    def types(self) -> Sequence[str]:
        return self._types

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The snapshot's manifest, as JSON data."""
        return self._manifest

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def verify(self) -> None:
        """Compares every file with its checksum. Raises GraphCorrupt."""
        verify_checksums(self.folder)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over the records; its tables are those of `kg_rag.store.records`."""
        with self._lock:
            return self._database.execute(sql, parameters).fetchall()

    def find(self, node_id: str) -> int | None:
        found = self.rows("SELECT idx FROM node WHERE id = ?", (node_id,))
        return int(found[0][0]) if found else None

    def nodes(self, indices: Sequence[int] | Indices) -> list[Node]:
        wanted = [int(index) for index in indices]
        names: dict[int, list[str]] = {}
        for index, name in self._by_index("SELECT node, name FROM synonym WHERE node IN", wanted, "ORDER BY rowid"):
            names.setdefault(index, []).append(name)
        found: dict[int, Node] = {}
        fields = (
            "SELECT n.idx, n.id, n.name, k.name, n.description, n.attributes FROM node n JOIN kind k ON k.code = n.kind"
        )
        for index, node_id, name, kind, description, attributes in self._by_index(f"{fields} WHERE n.idx IN", wanted):
            found[index] = Node(
                index, node_id, name, kind, tuple(names.get(index, ())), description or "", _json(attributes)
            )
        return [found[index] for index in wanted]

    def edges(self, indices: Sequence[int] | Indices) -> list[Edge]:
        wanted = [int(index) for index in indices]
        attributes = dict(self._by_index("SELECT edge, json FROM edge_attributes WHERE edge IN", wanted))
        ends, provenance = self.ends, self.provenance
        return [
            Edge(
                index,
                int(ends["source"][index]),
                self._types[int(ends["type"][index])],
                int(ends["target"][index]),
                tuple(part for part in self.sources[int(provenance["source"][index])].split("|") if part),
                self.evidence[int(provenance["evidence"][index])],
                self.licences[int(provenance["licence"][index])],
                _json(attributes.get(index)),
            )
            for index in wanted
        ]

    def around(self, nodes: Sequence[int] | Indices) -> Adjacency:
        return self.csr.around(nodes)

    def degrees(self, nodes: Sequence[int] | Indices) -> Indices:
        return self.csr.degrees(nodes)

    def sweep(self, weights: Scores) -> Scores:
        return self.csr.sweep(weights)

    def passes(self, edges: Indices, where: EdgeFilter) -> Mask:
        mask = np.ones(len(edges), np.bool_)
        for codes, table in self._tables(where):
            mask &= table[codes[edges]]
        return mask

    @cached_property
    def ends(self) -> Mapping[str, Indices]:
        """Source, target and type code of every edge, mapped."""
        return {name: load_mapped(self.folder / f"edge_{name}.npy") for name in ("source", "target", "type")}

    @cached_property
    def provenance(self) -> Mapping[str, Indices]:
        """Codes of source, evidence and licence of every edge, mapped."""
        return {name: load_mapped(self.folder / f"provenance_{name}.npy") for name in ("source", "evidence", "licence")}

    @cached_property
    def sources(self) -> Sequence[str]:
        """Source codes: joined names such as `ChEMBL|PubChem`."""
        return self._vocabulary("source")

    @cached_property
    def evidence(self) -> Sequence[str]:
        """Evidence codes."""
        return self._vocabulary("evidence")

    @cached_property
    def licences(self) -> Sequence[str]:
        """Licence codes."""
        return self._vocabulary("licence")

    def _vocabulary(self, column: str) -> Sequence[str]:
        return [
            str(row[0]) for row in self.rows("SELECT text FROM vocabulary WHERE field = ? ORDER BY code", (column,))
        ]

    def _build_tables(self, where: EdgeFilter) -> Sequence[tuple[Indices, Mask]]:
        tests: list[tuple[bool, Indices, Sequence[str], Callable[[str], bool]]] = [
            (where.types is not None, self.ends["type"], self._types, lambda name: name in (where.types or ())),
            (where.sources is not None, self.provenance["source"], self.sources, where.accepts_source),
            (
                where.evidence is not None or where.min_strength > 0,
                self.provenance["evidence"],
                self.evidence,
                where.accepts_evidence,
            ),
            (where.licences is not None, self.provenance["licence"], self.licences, where.accepts_licence),
        ]
        return [
            (codes, np.fromiter((accepts(text) for text in texts), np.bool_, len(texts)))
            for needed, codes, texts, accepts in tests
            if needed
        ]

    def _by_index(self, sql: str, indices: Sequence[int], tail: str = "") -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(indices), _BATCH):
            batch = indices[start : start + _BATCH]
            found += self.rows(f"{sql} ({','.join('?' * len(batch))}) {tail}", batch)
        return found


def open_graph(path: str | Path) -> LocalGraph:
    """Opens the snapshot in use of the graph at `path`.

    Raises:
        GraphNotFound: there is no graph at `path`.
        GraphCorrupt: it is half built, cut short, or was changed.
        GraphFormatMismatch: another version of this package built it.
    """
    return LocalGraph(current_snapshot(Path(path)))


def schema_to_json(schema: Schema) -> dict[str, object]:
    """A schema as JSON data."""
    return {
        "kinds": {kind: list(words) for kind, words in schema.kinds.items()},
        "relations": {
            name: {
                "label": one.label,
                "sentence": one.sentence,
                "inverse": one.inverse,
                "words": list(one.words),
                "symmetric": one.symmetric,
                "functional": one.functional,
                "opposite": one.opposite,
            }
            for name, one in schema.relations.items()
        },
    }


def schema_from_json(data: Mapping[str, Any]) -> Schema:
    """The inverse of `schema_to_json`; every field but `label` may be missing."""
    relations = {
        str(name): Relation(
            label=str(one.get("label") or Relation.named(name).label),
            sentence=str(one.get("sentence", "")),
            inverse=str(one.get("inverse", "")),
            words=tuple(one.get("words", ())),
            symmetric=bool(one.get("symmetric", False)),
            functional=bool(one.get("functional", False)),
            opposite=str(one.get("opposite", "")),
        )
        for name, one in cast(Mapping[str, Mapping[str, Any]], data.get("relations", {})).items()
    }
    kinds = cast(Mapping[str, Sequence[str]], data.get("kinds", {}))
    return Schema(relations, {str(kind): tuple(words) for kind, words in kinds.items()})


def _json(text: str | None) -> Mapping[str, object]:
    return json.loads(text) if text else {}
