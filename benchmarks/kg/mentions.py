"""Mentions of Disease Ontology terms, made wrong in the ways people are: another synonym, typos, case, word order.

Terms are split in two by a digest of their id: weights and thresholds are fitted on `train`, figures are from `test`.
Synonyms that serve as mentions, and terms that serve as "no such node", are not in the graph that is searched.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kg_rag.graph import NodeRecord
from kg_rag.words import normalise

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class Mention(NamedTuple):
    """A text, the id of the term it means ("" for none), how it was made, and its half."""

    text: str
    term: str
    kind: str
    train: bool


def digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def typo(text: str, rng: random.Random) -> str:
    """One slip of the fingers about every twelve characters, at least one, never in the first letter."""
    letters = list(text)
    for _ in range(max(1, len(text) // 12)):
        places = [at for at in range(1, len(letters) - 1) if letters[at].isalpha()]
        if not places:
            break
        at = rng.choice(places)
        slip = rng.randrange(4)
        if slip == 0:
            del letters[at]
        elif slip == 1:
            letters.insert(at, rng.choice(ALPHABET))
        elif slip == 2:
            letters[at] = rng.choice(ALPHABET)
        else:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def reorder(text: str, rng: random.Random) -> str:
    words = text.split()
    if len(words) == 2 or rng.random() < 0.5:
        return f"{words[-1]}, {' '.join(words[:-1])}"
    rng.shuffle(words)
    return " ".join(words)


def disease_mentions(data: Path, per_kind: int = 250) -> tuple[list[NodeRecord], list[Mention]]:
    """The records to search in, and mentions of both halves: per half, `per_kind` of each kind."""
    import pyarrow.parquet as parquet

    reader: Any = parquet
    terms: list[dict[str, str]] = reader.read_table(data / "disease_ontology_terms.parquet").to_pylist()
    terms.sort(key=lambda term: digest(term["id"]))
    absent = {term["id"] for at, term in enumerate(terms) if at % 20 == 7}
    held: dict[str, str] = {}
    present: set[str] = set()
    for term in terms:
        synonyms = [one.strip() for one in term["synonyms"].split("|") if one.strip()]
        distinct = [one for one in synonyms if normalise(one) != normalise(term["name"])]
        if distinct and term["id"] not in absent and digest(term["id"] + "h") % 4 == 0:
            held[term["id"]] = distinct[digest(term["id"] + "s") % len(distinct)]
    records: list[NodeRecord] = []
    for term in terms:
        if term["id"] in absent:
            continue
        kept = [
            one.strip() for one in term["synonyms"].split("|") if one.strip() and one.strip() != held.get(term["id"])
        ]
        records.append(NodeRecord(term["id"], term["name"], "Disease", kept))
        present.update(normalise(one) for one in (term["name"], *kept))
    rng = random.Random(7)
    made: dict[tuple[str, bool], list[Mention]] = {}

    def add(text: str, term: str, kind: str) -> None:
        train = digest(term or text) % 2 == 0
        into = made.setdefault((kind, train), [])
        if len(into) < per_kind:
            into.append(Mention(text, term, kind, train))

    for term in terms:
        name, identity = term["name"], term["id"]
        if identity in absent:
            if normalise(name) not in present:
                add(name, "", "absent term")
            continue
        if identity in held and normalise(held[identity]) not in present:
            add(held[identity], identity, "synonym")
        kind = digest(identity + "k") % 3
        if kind == 0:
            add(typo(name, rng), identity, "typo")
        elif kind == 1:
            add(rng.choice((name.upper(), name.title(), name.swapcase())), identity, "case")
        elif len(name.split()) > 1:
            add(reorder(name, rng), identity, "word order")
    for name in _strangers(data):
        if normalise(name) not in present:
            add(name, "", "stranger")
    return records, [mention for both in made.values() for mention in both]


def _strangers(data: Path) -> Sequence[str]:
    """Names of things that are no disease: genes, drugs, anatomy, processes, pathways."""
    import pyarrow.parquet as parquet

    reader: Any = parquet
    rows: list[dict[str, Any]] = reader.read_table(data / "hetionet_nodes.parquet").to_pylist()
    kinds = {"Anatomy", "Biological Process", "Compound", "Gene", "Pathway", "Pharmacologic Class"}
    names = [
        str(row["description"] if row["kind"] == "Gene" and row["description"] else row["name"])
        for row in rows
        if row["kind"] in kinds
    ]
    return sorted(names, key=digest)[:1500]
