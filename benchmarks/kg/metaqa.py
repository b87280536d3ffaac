"""MetaQA dev, half to learn paths from and half to answer: hits@1 by hops, no language model anywhere."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.kg.mentions import digest, typo
from kg_rag.graph import Relation, RelationPath, Schema, Step
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.retrieval.paths import PathPredictor, TypedPaths
from kg_rag.retrieval.port import Query
from kg_rag.store.local import LocalGraph

RELATIONS = {
    "actor": "starred_actors",
    "director": "directed_by",
    "writer": "written_by",
    "genre": "has_genre",
    "language": "in_language",
    "year": "release_year",
    "tags": "has_tags",
    "tag": "has_tags",
    "imdbrating": "has_imdb_rating",
    "imdbvotes": "has_imdb_votes",
}

SCHEMA = Schema(
    relations={
        "starred_actors": Relation(
            "stars", inverse="acted in", words=("actor", "acted", "starred", "appears", "played")
        ),
        "directed_by": Relation("was directed by", inverse="directed", words=("director", "directed", "directs")),
        "written_by": Relation(
            "was written by", inverse="wrote", words=("writer", "screenwriter", "wrote", "author", "script")
        ),
        "has_genre": Relation("has the genre", words=("genre", "type", "kind", "sort")),
        "in_language": Relation("is in the language", words=("language", "spoken")),
        "release_year": Relation(
            "was released in", words=("year", "release year", "release date", "when released", "date")
        ),
        "has_tags": Relation("is tagged", words=("topic", "about", "words describe", "described", "terms applicable")),
        "has_imdb_rating": Relation("is rated on IMDb as", words=("rating", "rated", "opinion")),
        "has_imdb_votes": Relation("has votes on IMDb", words=("votes", "famous", "popular")),
    }
)
"""How the knowledge base's relations are spoken of: written from the names of the relations, not from the questions."""


@dataclass(frozen=True)
class Question:
    text: str
    hops: int
    path: RelationPath
    answers: frozenset[str]
    exact: bool
    train: bool


@dataclass
class Score:
    right: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)

    def hits(self, hops: int) -> float:
        return 100 * sum(self.right[hops]) / max(1, len(self.right[hops]))


def path_of(question_type: str) -> RelationPath:
    """`movie_to_actor_to_movie` as the path it stands for."""
    stops = question_type.split("_to_")
    return tuple(
        Step(RELATIONS[there], False) if here == "movie" else Step(RELATIONS[here], True)
        for here, there in pairwise(stops)
    )


def questions(data: Path) -> list[Question]:
    import pyarrow.parquet as parquet

    reader: Any = parquet
    rows: list[dict[str, Any]] = reader.read_table(data / "metaqa_dev.parquet").to_pylist()
    return [
        Question(
            row["question"],
            row["hops"],
            path_of(row["qtype"]),
            frozenset(row["answers"].split("|")),
            row["exact_in_kb"],
            digest(row["question"]) % 2 == 0,
        )
        for row in rows
    ]


def plain(text: str) -> str:
    """A question without the brackets around its topic."""
    return text.replace("[", "").replace("]", "")


def fit(asked: list[Question], finder: MentionFinder) -> PathPredictor:
    """Learns from the train half. The topic is masked by its brackets, which only training may see."""
    train = [question for question in asked if question.train]
    masked = [
        question.text[: question.text.index("[")] + " topicentity " + question.text[question.text.rindex("]") + 1 :]
        for question in train
    ]
    return PathPredictor().fit(masked, [question.path for question in train])


def answer(
    graph: LocalGraph, finder: MentionFinder, retriever: TypedPaths, asked: list[Question], change: str = "plain"
) -> Score:
    """hits@1 over the test half's answerable questions, brackets removed; `change` is plain, lower or typo."""
    import random

    rng = random.Random(5)
    score = Score()
    for question in asked:
        if question.train or not question.exact:
            continue
        text = plain(question.text)
        if change == "lower":
            text = text.lower()
        elif change == "typo":
            start, end = question.text.index("["), question.text.rindex("]")
            topic = question.text[start + 1 : end]
            text = question.text[:start] + (typo(topic, rng) if len(topic) > 4 else topic) + question.text[end + 1 :]
        began = time.perf_counter()
        found = retriever.retrieve(graph, Query(text, finder.find(text)))
        name = graph.nodes(found.answers[:1])[0].name if found.answers else ""
        score.seconds.append(time.perf_counter() - began)
        score.right[question.hops].append(name in question.answers)
    return score


def commonest(asked: list[Question]) -> dict[int, float]:
    """The trivial baseline: always answer what most train questions with as many hops have among their answers."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for question in asked:
        if question.train:
            counts[question.hops].update(question.answers)
    found: dict[int, float] = {}
    for hops, counter in counts.items():
        best = counter.most_common(1)[0][0]
        test = [question for question in asked if not question.train and question.exact and question.hops == hops]
        found[hops] = 100 * sum(best in question.answers for question in test) / len(test)
    return found


def finder_for(graph: LocalGraph) -> MentionFinder:
    return MentionFinder(Linker(graph))
