"""Which edges a question may use: by type, source, evidence and licence."""

from __future__ import annotations

import re
from dataclasses import dataclass

EVIDENCE_STRENGTH = {
    # Manual assertions from an experiment or a published clinical study.
    **dict.fromkeys(("EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "HTP", "HDA", "HMP", "HGI", "HEP", "PCS"), 3),
    # A statement of an author or curator, or an inference a curator has looked at.
    **dict.fromkeys(("TAS", "NAS", "IC", "ISS", "ISO", "ISA", "ISM", "IGC", "IBA", "IBD", "IKR", "IRD", "RCA"), 2),
    "IEA": 1,
    "ND": 0,
}
"""Strength of an evidence code, 3 (experiment) to 0 (no data), after the Gene Ontology's groups of codes and HPO's
PCS, TAS and IEA. A code that is not listed, and an edge without one, has strength 0."""

_VERSION = re.compile(r"[\s-]+v?\d+(\.\d+)*.*$")


def licence_family(licence: str) -> str:
    """A licence without its version: `CC BY 4.0` is of the family `CC BY`, which `CC BY-SA 4.0` is not."""
    return _VERSION.sub("", licence.strip()).upper().replace("CC-", "CC ")


@dataclass(frozen=True, slots=True)
class EdgeFilter:
    """What an edge must be to be used; None asks for nothing.

    Attributes:
        types: edge types to keep.
        sources: an edge must be stated by one of these.
        evidence: evidence codes to keep.
        min_strength: least `EVIDENCE_STRENGTH` of its evidence code.
        licences: licences, or licence families, to keep. An edge without a licence is then left out.
    """

    types: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    evidence: frozenset[str] | None = None
    min_strength: int = 0
    licences: frozenset[str] | None = None

    @property
    def open(self) -> bool:
        """Whether it lets everything through."""
        return not self.min_strength and all(
            one is None for one in (self.types, self.sources, self.evidence, self.licences)
        )

    def accepts_source(self, joined: str) -> bool:
        """Whether one of the sources in `A|B|C` is allowed."""
        return self.sources is None or not self.sources.isdisjoint(joined.split("|"))

    def accepts_evidence(self, code: str) -> bool:
        """Whether an evidence code is allowed and strong enough."""
        if self.evidence is not None and code not in self.evidence:
            return False
        return EVIDENCE_STRENGTH.get(code, 0) >= self.min_strength

    def accepts_licence(self, licence: str) -> bool:
        """Whether a licence, or its family, is allowed."""
        if self.licences is None:
            return True
        return bool(licence) and (
            licence in self.licences or licence_family(licence) in {*map(str.upper, self.licences)}
        )
