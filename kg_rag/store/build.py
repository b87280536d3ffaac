"""Builds a graph from a source: streaming, with bounded memory, and replacing the old graph only when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from kg_rag.errors import BuildInProgress, DuplicateNode, MalformedRecord, UnknownEndpoint
from kg_rag.graph import EdgeRecord, NodeRecord, Schema
from kg_rag.linking.names import write_names
from kg_rag.store.csr import MAX_TYPES, Ends, write_index
from kg_rag.store.layout import DATABASE, publish, write_manifest
from kg_rag.store.local import LocalGraph, schema_to_json
from kg_rag.store.port import GraphInfo
from kg_rag.store.records import EdgeRow, RecordWriter, Vocabulary, as_json
from kg_rag.store.sources.port import GraphSource

Progress = Callable[[str, int], None]
"""Called with what is being done and how many records of it are done."""

_TICK = 20_000


def build_graph(
    source: GraphSource,
    path: str | Path,
    *,
    name: str = "",
    version: str = "",
    schema: Schema | None = None,
    unknown: Literal["refuse", "skip", "create"] = "refuse",
    duplicates: Literal["refuse", "merge"] = "refuse",
    vectors: bool = False,
    keep: int = 1,
    progress: Progress | None = None,
) -> GraphInfo:
    """Builds, or builds again, the graph at `path`.

    Readers keep the snapshot they opened. A build that fails or is killed leaves the old graph in use.

    Args:
        source: where nodes and edges come from.
        path: the graph's folder.
        name: what people call it; the folder's name by default.
        version: what the sources call this release.
        schema: how edge types and kinds are spoken of; the source's own by default.
        unknown: what to do with an edge to a node that no record defines.
        duplicates: what to do with a node id that is defined twice; `merge` keeps the first record and takes the
            other's names as synonyms.
        vectors: whether names also get embeddings, which linking then uses (about 0.5 kB a name).
        keep: how many older snapshots to leave in place, for `compare`.
        progress: is told how far the build is.

    Raises:
        SourceError: a record cannot be used; it names the file and line.
        BuildInProgress: another process builds this graph.
    """
    root = Path(path)
    root.mkdir(parents=True, exist_ok=True)
    with _only_builder(root):
        work = root / "building"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            build = _Build(work, source, unknown, duplicates, progress or _silent)
            snapshot = build.run(name or root.name, version, schema or source.schema, vectors=vectors)
            target = root / "snapshots" / snapshot
            target.parent.mkdir(exist_ok=True)
            # The same content built again: the files are equal, and readers may hold the old ones open.
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        with LocalGraph(target) as graph:
            info = graph.info
        publish(root, snapshot)
        _forget_old(root, snapshot, keep)
        return info


class _Build:
    """One build's state: vocabularies, the map from keys to nodes, and the growing columns of the edges."""

    def __init__(self, folder: Path, source: GraphSource, unknown: str, duplicates: str, progress: Progress) -> None:
        self.folder = folder
        self.source = source
        self.unknown = unknown
        self.duplicates = duplicates
        self.progress = progress
        self.digest = hashlib.blake2b(digest_size=12)
        self.nodes: dict[str | int, int] = {}
        self.ids: set[str] = set()
        self.kind_counts: Counter[int] = Counter()
        self.kinds, self.types = Vocabulary(), Vocabulary()
        self.stated_by, self.evidence, self.licences = Vocabulary(), Vocabulary(), Vocabulary()
        # Python's arrays grow in place; five numbers an edge are all of an edge that stays in memory.
        self.columns = {name: array("i") for name in ("source", "target", "type", "stated_by", "evidence", "licence")}
        self.attributes: list[tuple[int, str]] = []

    def run(self, name: str, version: str, schema: Schema, *, vectors: bool) -> str:
        writer = RecordWriter(self.folder / DATABASE)
        try:
            self._read_nodes(writer)
            writer.edges(self._edge_rows(writer))
            writer.edge_attributes(self.attributes)
            self.progress("edges", len(self.columns["source"]))
            self._write_columns()
            self.progress("indexing names", len(self.ids))
            write_names(self.folder, writer, vectors=vectors)
            snapshot = self._digest(name, version, schema)
            meta = {"snapshot": snapshot, "name": name, "version": version}
            vocabularies = {
                "type": self.types,
                "source": self.stated_by,
                "evidence": self.evidence,
                "licence": self.licences,
            }
            writer.finish(meta, self.kinds, vocabularies)
        finally:
            writer.close()
        counted = {column: Counter(self.columns[column]) for column in ("type", "licence")}
        kinds = list(self.kinds)
        write_manifest(
            self.folder,
            {
                **meta,
                "nodes": len(self.ids),
                "edges": len(self.columns["source"]),
                "kinds": {kinds[code]: count for code, count in self.kind_counts.items()},
                "edge_types": {text: counted["type"][code] for code, text in enumerate(self.types)},
                "licences": {text: counted["licence"][code] for code, text in enumerate(self.licences)},
                "type_codes": list(self.types),
                "schema": schema_to_json(schema),
                "vectors": vectors,
            },
        )
        return snapshot

    def _read_nodes(self, writer: RecordWriter) -> None:
        for record in self.source.nodes():
            if not record.id:
                raise MalformedRecord(record.where or self.source.name, "a node without an id")
            if record.id in self.ids:
                self._merge(writer, record)
            else:
                self._add(writer, record)
            if len(self.ids) % _TICK == 0:
                self.progress("nodes", len(self.ids))
        self.progress("nodes", len(self.ids))

    def _add(self, writer: RecordWriter, record: NodeRecord) -> int:
        index = len(self.ids)
        self.ids.add(record.id)
        self.nodes[record.id] = index
        if record.key is not None:
            self.nodes[record.key] = index
        kind = self.kinds.code(record.kind or "Thing")
        self.kind_counts[kind] += 1
        name = record.name or record.id
        attributes = as_json(record.attributes)
        writer.node(index, record.id, name, kind, record.description, attributes)
        names = [synonym for synonym in dict.fromkeys(record.synonyms) if synonym and synonym != name]
        if names:
            writer.synonyms(index, names)
        self.digest.update(json.dumps([record.id, name, kind, names, record.description, attributes]).encode())
        return index

    def _merge(self, writer: RecordWriter, record: NodeRecord) -> None:
        if self.duplicates == "refuse":
            raise DuplicateNode(record.where or self.source.name, record.id)
        index = self.nodes[record.id]
        if record.key is not None:
            self.nodes[record.key] = index
        names = [name for name in dict.fromkeys((record.name, *record.synonyms)) if name]
        writer.further_synonyms(index, names)
        self.digest.update(json.dumps([record.id, names]).encode())

    def _edge_rows(self, writer: RecordWriter) -> Iterator[EdgeRow]:
        source_column, target_column, type_column, stated, evidence_column, licence_column = self.columns.values()
        nodes, types = self.nodes, self.types
        index = 0
        for record in self.source.edges():
            source, target = nodes.get(record.source), nodes.get(record.target)
            if source is None or target is None:
                if self.unknown == "skip":
                    continue
                # A missing node found in the middle of the edge stream is written through the same connection.
                source = self._endpoint(writer, record, record.source) if source is None else source
                target = nodes.get(record.target)
                target = self._endpoint(writer, record, record.target) if target is None else target
            type_code = types.code(record.type)
            if type_code >= MAX_TYPES:
                raise MalformedRecord(record.where or self.source.name, f"more than {MAX_TYPES} edge types")
            row = (
                index,
                source,
                target,
                type_code,
                self.stated_by.code(record.sources),
                self.evidence.code(record.evidence),
                self.licences.code(record.licence),
            )
            source_column.append(source)
            target_column.append(target)
            type_column.append(type_code)
            stated.append(row[4])
            evidence_column.append(row[5])
            licence_column.append(row[6])
            if record.attributes and (text := as_json(record.attributes)):
                self.attributes.append((index, text))
                if len(self.attributes) >= _TICK:
                    writer.edge_attributes(self.attributes)
                    self.attributes.clear()
            index += 1
            if index % _TICK == 0:
                self.progress("edges", index)
            yield row

    def _endpoint(self, writer: RecordWriter, record: EdgeRecord, key: str | int) -> int:
        if self.unknown == "refuse" or key == "":
            edge = f"{record.source} -{record.type}-> {record.target}"
            raise UnknownEndpoint(record.where or self.source.name, edge, str(key))
        return self._add(writer, NodeRecord(str(key)))

    def _write_columns(self) -> None:
        ints = {name: np.frombuffer(column, np.int32) for name, column in self.columns.items()}
        for column in ints.values():
            self.digest.update(column.data)
        for name in ("source", "target"):
            np.save(self.folder / f"edge_{name}.npy", ints[name])
        types = ints["type"].astype(np.uint16)
        np.save(self.folder / "edge_type.npy", types)
        np.save(self.folder / "provenance_source.npy", ints["stated_by"])
        for name in ("evidence", "licence"):
            np.save(self.folder / f"provenance_{name}.npy", ints[name])
        self.progress("indexing edges", len(types))
        write_index(self.folder, Ends(ints["source"], ints["target"], types), len(self.ids))

    def _digest(self, name: str, version: str, schema: Schema) -> str:
        vocabularies = [list(one) for one in (self.types, self.stated_by, self.evidence, self.licences, self.kinds)]
        self.digest.update(json.dumps([name, version, schema_to_json(schema), vocabularies]).encode())
        return self.digest.hexdigest()


@contextmanager
def _only_builder(root: Path) -> Generator[None]:
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildInProgress(root) from None
        yield


def _forget_old(root: Path, current: str, keep: int) -> None:
    others = [path for path in (root / "snapshots").iterdir() if path.name != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[keep:]:
        shutil.rmtree(path, ignore_errors=True)


def _silent(_: str, __: int) -> None:
    return None
