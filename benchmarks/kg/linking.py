"""Entity linking on Disease Ontology mentions: hit@1, hit@5, and when to say "no such node"."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kg.mentions import Mention, disease_mentions
from kg_rag.linking.linker import Linker
from kg_rag.linking.ranking import Ranking
from kg_rag.store.local import LocalGraph
from kg_rag.words import normalise


@dataclass
class Outcome:
    """What linking made of the mentions of one half."""

    hits: dict[str, list[tuple[bool, bool]]] = field(default_factory=lambda: defaultdict(list))
    milliseconds: list[float] = field(default_factory=list)
    confidences: list[tuple[str, float]] = field(default_factory=list)

    def share(self, at: int, kind: str | None = None) -> float:
        chosen = [pair[at] for name, pairs in self.hits.items() if kind in (None, name) for pair in pairs]
        return sum(chosen) / max(1, len(chosen))

    def abstention(self, threshold: float) -> tuple[float, float]:
        """Precision and recall of "no such node" at a threshold."""
        abstained = [kind for kind, confidence in self.confidences if confidence < threshold]
        absent = [confidence for kind, confidence in self.confidences if kind in ("absent term", "stranger")]
        right = sum(kind in ("absent term", "stranger") for kind in abstained)
        return right / max(1, len(abstained)), sum(confidence < threshold for confidence in absent) / max(
            1, len(absent)
        )


def evaluate(linker: Linker, mentions: list[Mention], indices: dict[str, int], *, train: bool) -> Outcome:
    outcome = Outcome()
    for mention in mentions:
        if mention.train != train:
            continue
        began = time.perf_counter()
        link = linker.link(mention.text)
        outcome.milliseconds.append((time.perf_counter() - began) * 1e3)
        nodes = [one.node for one in link.candidates]
        outcome.confidences.append((mention.kind, link.candidates[0].confidence if nodes else 0.0))
        if mention.term:
            target = indices[mention.term]
            outcome.hits[mention.kind].append((nodes[:1] == [target], target in nodes))
    outcome.milliseconds.sort()
    return outcome


def exact_only(graph: LocalGraph, mentions: list[Mention], indices: dict[str, int]) -> float:
    """The trivial baseline: the test half's mentions that are a name of their node, letter for letter."""
    names: dict[str, int] = {}
    for index, name in graph.rows("SELECT idx, name FROM node UNION ALL SELECT node, name FROM synonym"):
        names.setdefault(name, index)
    asked = [mention for mention in mentions if mention.term and not mention.train]
    return sum(names.get(one.text) == indices[one.term] for one in asked) / len(asked)


def cosine_only(linker: Linker, mentions: list[Mention], indices: dict[str, int]) -> float:
    """The nearest name by character n-grams alone, always accepted."""
    asked = [mention for mention in mentions if mention.term and not mention.train]
    found = [linker.index.similar(normalise(one.text), limit=1) for one in asked]
    return sum(bool(f) and f[0].node == indices[one.term] for f, one in zip(found, asked, strict=True)) / len(asked)


def fit(linker: Linker, mentions: list[Mention], indices: dict[str, int]) -> Ranking:
    """Fits weights to the train half, and the threshold, by F1 of abstention on it."""
    rows: list[list[float]] = []
    right: list[bool] = []
    for mention in mentions:
        if mention.train:
            found, features = linker.pairs(mention.text)
            target = indices.get(mention.term, -1)
            for at, (one, row) in enumerate(zip(found, features, strict=True)):
                if one.node == target or at < 15:
                    rows.append(row)
                    right.append(one.node == target)
    linker.ranking = Ranking.fit(rows, right)
    outcome = evaluate(linker, mentions, indices, train=True)

    def f1(threshold: float) -> float:
        precision, recall = outcome.abstention(threshold)
        return 2 * precision * recall / max(1e-9, precision + recall)

    values = {step / 20: f1(step / 20) for step in range(1, 20)}
    # F1 is flat around its best; of thresholds that are as good, the least one links most.
    best = min(threshold for threshold, value in values.items() if value >= max(values.values()) - 0.003)
    linker.ranking = Ranking(linker.ranking.weights, linker.ranking.bias, best)
    return linker.ranking


def load(data: Path) -> tuple[list[Mention], dict[str, int]]:
    records, mentions = disease_mentions(data)
    return mentions, {record.id: at for at, record in enumerate(records)}
