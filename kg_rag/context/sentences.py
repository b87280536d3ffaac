"""Sentences from edges: one an edge, from the template of its type, with an evidence id and its provenance.

Names come from the graph and are data. They are written on one line, and without the square brackets that mark an
evidence id, so that no name can pass for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kg_rag.graph import Edge
from kg_rag.store.port import GraphStore
from kg_rag.words import one_line

Detail = Literal["none", "source", "full"]
"""How much provenance a sentence shows: none, its sources, or its sources, evidence code and licence."""

_BRACKETS = str.maketrans("[]", "()")
_NAME_LIMIT = 160


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence a model is given.

    Attributes:
        id: what an answer cites it by, such as `E3`.
        edge: the edge it states.
        triple: names of source, edge type and target.
        sentence: the statement itself.
        detail: how much of its provenance its line shows.
    """

    id: str
    edge: Edge
    triple: tuple[str, str, str]
    sentence: str
    detail: Detail = "full"

    @property
    def line(self) -> str:
        """The sentence as it stands in a context: `[E3] Loxapine binds HTR2C. (ChEMBL; TAS; CC BY 4.0)`."""
        shown: list[str] = []
        if self.detail != "none" and self.edge.sources:
            shown.append(", ".join(clean(one) for one in self.edge.sources[:4]))
        if self.detail == "full":
            shown += [clean(one) for one in (self.edge.evidence, self.edge.licence) if one]
        provenance = f" ({'; '.join(shown)})" if shown else ""
        return f"[{self.id}] {self.sentence}{provenance}"


def clean(name: str) -> str:
    """A name of the graph as it may stand in a sentence."""
    return one_line(name, _NAME_LIMIT).translate(_BRACKETS)


def sentences(store: GraphStore, edges: Sequence[int], *, detail: Detail = "full", first: int = 1) -> list[Evidence]:
    """One sentence for each of `edges`, numbered from `first` in that order."""
    found = store.edges(edges)
    ends = list(dict.fromkeys(end for edge in found for end in (edge.source, edge.target)))
    names = {node.index: clean(node.name) for node in store.nodes(ends)}
    made: list[Evidence] = []
    for number, edge in enumerate(found, first):
        source, target = names[edge.source], names[edge.target]
        # `str.format` would read braces inside names and give access to attributes; templates have two fields only.
        before, _, rest = store.schema.relation(edge.type).template().partition("{source}")
        middle, _, after = rest.partition("{target}")
        sentence = f"{before}{source}{middle}{target}{after}"
        sentence = sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
        made.append(Evidence(f"E{number}", edge, (source, edge.type, target), sentence, detail))
    return made
