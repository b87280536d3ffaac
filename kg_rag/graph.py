"""The graph's vocabulary: nodes, edges, what is known of an edge's origin, and paths.

A node or edge is addressed by its `index` inside one snapshot (dense, from 0) while it is being worked with, and by
its `id` wherever it outlives the snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
"""Node or edge indices."""
Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph.

    Attributes:
        index: its place in the snapshot.
        id: its name for machines, stable across snapshots, such as `DOID:1816`.
        name: its name for people.
        kind: its type, such as `Disease`.
        synonyms: other names.
        description: a sentence or two, or nothing.
        attributes: whatever else its source says, as JSON data.
    """

    index: int
    id: str
    name: str
    kind: str
    synonyms: tuple[str, ...] = ()
    description: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Edge:
    """One directed, typed edge with its provenance.

    Attributes:
        index: its place in the snapshot.
        source: index of the node it starts from.
        type: name of its type.
        target: index of the node it leads to.
        sources: the databases or documents that state it.
        evidence: an evidence code such as `TAS` or `IEA`; empty where the source gives none.
        licence: the licence the statement is under; empty where unknown.
        attributes: whatever else its source says, as JSON data.
    """

    index: int
    source: int
    type: str
    target: int
    sources: tuple[str, ...] = ()
    evidence: str = ""
    licence: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Relation:
    """How an edge type is spoken of.

    Attributes:
        label: a verb phrase read from source to target, such as `binds`.
        sentence: a template with `{source}` and `{target}`.
        inverse: the verb phrase read from target to source, such as `is bound by`.
        words: further words by which a question may ask for it.
        symmetric: whether the direction of the edge means nothing.
        functional: whether a source has one target at most, so that another target contradicts it.
        opposite: an edge type that cannot hold of the same pair, such as `AdG` to `AuG`.
    """

    label: str
    sentence: str = ""
    inverse: str = ""
    words: tuple[str, ...] = ()
    symmetric: bool = False
    functional: bool = False
    opposite: str = ""

    @classmethod
    def named(cls, name: str) -> Relation:
        """The relation of an edge type nothing is known of but its name: `starred_actors` is read `starred actors`."""
        return cls(label=" ".join(name.replace("_", " ").replace(":", " ").split()) or name)

    def template(self) -> str:
        """The sentence template, made from the label where none was given."""
        return self.sentence or f"{{source}} {self.label} {{target}}"


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of a graph's vocabulary beyond its records.

    Attributes:
        relations: how each edge type is spoken of; a missing one is read from its name.
        kinds: words by which people call a kind of node, such as `Compound: (drug, medicine)`.
    """

    relations: Mapping[str, Relation] = field(default_factory=dict[str, Relation])
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def relation(self, edge_type: str) -> Relation:
        """How `edge_type` is spoken of."""
        return self.relations.get(edge_type) or Relation.named(edge_type)


class Step(NamedTuple):
    """One step along an edge type, `inverse` when it goes from the edge's target to its source."""

    type: str
    inverse: bool = False

    def __str__(self) -> str:
        return f"~{self.type}" if self.inverse else self.type


RelationPath = tuple[Step, ...]
"""A sequence of typed steps; written `~starred_actors directed_by`."""


def parse_path(text: str) -> RelationPath:
    """Reads `~starred_actors directed_by`: edge types apart by spaces, `~` before one that is walked backwards."""
    return tuple(Step(word.removeprefix("~"), word.startswith("~")) for word in text.split())


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk through the graph: `nodes[i]` and `nodes[i + 1]` are joined by `edges[i]`."""

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    score: float = 0.0


class NodeRecord(NamedTuple):
    """A node as a source gives it. `key` is what edges call it, where that is not its id."""

    id: str
    name: str = ""
    kind: str = ""
    synonyms: Sequence[str] = ()
    description: str = ""
    attributes: Mapping[str, object] | None = None
    key: str | int | None = None
    where: str = ""


class EdgeRecord(NamedTuple):
    """An edge as a source gives it; `source` and `target` are node ids or keys."""

    source: str | int
    type: str
    target: str | int
    sources: str = ""
    evidence: str = ""
    licence: str = ""
    attributes: Mapping[str, object] | str | None = None
    where: str = ""
