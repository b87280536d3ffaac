"""KRAGEN's questions over the five relations Hetionet shares with it: does the context hold what decides them?

The question's own wording names entities and relation; `parse` reads them with patterns of its own, apart from the
linker under test, so that what decides a question is known without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kg_rag.context.builder import Context
from kg_rag.store.local import LocalGraph

RELATIONS = {
    "AuG": (re.compile(r"over-express"), ("Anatomy", "Gene")),
    "AdG": (re.compile(r"under-express"), ("Anatomy", "Gene")),
    "GiG": (re.compile(r"interacts? with"), ("Gene", "Gene")),
    "PCiC": (re.compile(r"\bclass(es)?\b|include the drug"), ("Pharmacologic Class", "Compound")),
    "CbG": (re.compile(r"\bbinds?\b"), ("Compound", "Gene")),
}
_OPTION = re.compile(r"\s(\d)\. ")
_NEGATED = re.compile(r"\b(not)\b")


@dataclass(frozen=True)
class Question:
    """One question; `groups` holds, for the statement or for each option, the pairs that must all be edges."""

    text: str
    answer: str
    form: str
    relation: str
    negated: bool
    groups: tuple[frozenset[tuple[int, int]], ...]


def load(data: Path, graph: LocalGraph) -> list[Question]:
    """The questions of the five relations, chosen by relation alone."""
    names: dict[str, dict[str, int]] = {}
    for index, name, kind in graph.rows("SELECT n.idx, n.name, k.name FROM node n JOIN kind k ON k.code = n.kind"):
        names.setdefault(kind, {})[name] = index
    found: list[Question] = []
    for form in ("true_or_false_1hop", "true_or_false_2hop", "mcq_1hop", "mcq_2hop"):
        for row in json.loads((data / f"kragen_{form}.json").read_text("utf-8")):
            text = row["question"]
            stem = _OPTION.split(text)[0]
            relation = next((name for name, (pattern, _) in RELATIONS.items() if pattern.search(stem)), None)
            if relation is not None:
                found.append(_read(text, stem, str(row["answer"]), form, relation, names))
    return found


def _read(
    text: str, stem: str, answer: str, form: str, relation: str, names: Mapping[str, Mapping[str, int]]
) -> Question:
    left, right = RELATIONS[relation][1]
    known = {**names[left], **names[right]}
    subjects = _entities(stem.removeprefix("True or False Question: "), known)
    if form.startswith("mcq"):
        options = _OPTION.split(text)[2::2]
        groups = [
            frozenset((known.get(option.strip(), -1), subject) for subject in subjects)
            if subjects
            else frozenset({(-1, -1)})
            for option in options
        ]
    else:
        # A 2-hop statement says of two things what both share with the third, which stands last or first.
        pairs: set[tuple[int, int]] = set()
        if form.endswith("1hop"):
            pairs = {(subjects[0], subjects[-1])} if len(subjects) == 2 else {(-1, -1)}
        elif len(subjects) == 3:
            pairs = {(subjects[0], subjects[2]), (subjects[1], subjects[2])}
        groups = [frozenset(pairs or {(-1, -1)})]
    return Question(text, answer, form, relation, bool(_NEGATED.search(stem)), tuple(groups))


def _entities(text: str, known: Mapping[str, int]) -> list[int]:
    """Names in a text, longest match from the left, words whole."""
    found: list[int] = []
    bounds = [0] + [match.end() for match in re.finditer(r"\s+", text)]
    at = 0
    while at < len(text):
        if at in bounds:
            ends = [match.start() for match in re.finditer(r"[\s?,]|$", text[at:])]
            hit = next((end for end in sorted(ends, reverse=True) if end and text[at : at + end] in known), None)
            if hit:
                found.append(known[text[at : at + hit]])
                at += hit
                continue
        at += 1
    return found


def decide(question: Question, edges: set[tuple[int, int]]) -> str:
    """The answer that follows when exactly `edges`, in either direction, are so; "" where none or several fit."""
    holds = [all((a, b) in edges or (b, a) in edges for a, b in group) for group in question.groups]
    if not question.form.startswith("mcq"):
        return str(holds[0] != question.negated)
    fitting = [number for number, held in enumerate(holds, 1) if held != question.negated]
    return str(fitting[0]) if len(fitting) == 1 else ""


def graph_edges(graph: LocalGraph, question: Question) -> set[tuple[int, int]]:
    """The pairs a question is about that are edges of its relation in the whole graph."""
    found: set[tuple[int, int]] = set()
    code = list(graph.types).index(question.relation)
    for pair in set().union(*question.groups):
        if min(pair) >= 0 and any(graph.ends["type"][edge] == code for edge in graph.between(*pair)):
            found.add(pair)
    return found


def context_edges(context: Context, question: Question) -> set[tuple[int, int]]:
    """The pairs that a context's sentences of the question's relation join."""
    return {(one.edge.source, one.edge.target) for one in context.evidence if one.edge.type == question.relation}
