"""What changed between two snapshots: nodes renamed, merged or gone, and which saved links and queries that touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kg_rag.store.local import LocalGraph
from kg_rag.words import normalise


@dataclass(frozen=True, slots=True)
class Drift:
    """The difference of two snapshots.

    Attributes:
        renamed: id to old and new name.
        merged: id that is gone, to the id that now carries its name.
        vanished: ids that are gone and whose name nothing carries.
        added: how many ids are new.
        edge_types: edge type to old and new count, where they differ.
        touched: which of the given saved ids are renamed, merged or vanished.
    """

    renamed: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    merged: Mapping[str, str] = field(default_factory=dict[str, str])
    vanished: tuple[str, ...] = ()
    added: int = 0
    edge_types: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    touched: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changed that this report can see."""
        return not (self.renamed or self.merged or self.vanished or self.added or self.edge_types)


def compare(old: LocalGraph, new: LocalGraph, saved: Iterable[str] = ()) -> Drift:
    """Compares two snapshots of a graph; `saved` are node ids that linkers or saved queries rely on."""
    before = {row[0]: row[1] for row in old.rows("SELECT id, name FROM node")}
    after = {row[0]: row[1] for row in new.rows("SELECT id, name FROM node")}
    renamed = {node: (name, after[node]) for node, name in before.items() if node in after and after[node] != name}
    gone = [node for node in before if node not in after]
    merged: dict[str, str] = {}
    for node in gone:
        text = normalise(before[node])
        rows = new.rows(
            "SELECT n.id FROM phrase p JOIN node n ON n.idx = p.node WHERE p.text = ? ORDER BY p.rank, n.idx LIMIT 1",
            (text,),
        )
        if rows:
            merged[node] = rows[0][0]
    vanished = tuple(sorted(node for node in gone if node not in merged))
    types = {**old.info.edge_types, **new.info.edge_types}
    counts = {name: (old.info.edge_types.get(name, 0), new.info.edge_types.get(name, 0)) for name in types}
    changed = {*renamed, *gone}
    return Drift(
        renamed,
        merged,
        vanished,
        sum(node not in before for node in after),
        {name: pair for name, pair in sorted(counts.items()) if pair[0] != pair[1]},
        tuple(sorted(node for node in set(saved) if node in changed or node not in after)),
    )
