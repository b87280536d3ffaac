"""BiomixQA, and the trivial baselines without which its figures say nothing."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Question:
    """One question; `options` is empty for a statement that is true or false."""

    text: str
    answer: str
    options: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


def load(data: Path) -> list[Question]:
    """Every question given, choices first."""
    found: list[Question] = []
    with (data / "biomixqa_mcq_questions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            options = tuple(one.strip() for one in row["options_combined"].split(","))
            found.append(Question(row["text"], row["correct_node"], options, (row["disease_1"], row["disease_2"])))
    with (data / "biomixqa_true_false_questions.csv").open(encoding="utf-8", newline="") as file:
        found += [Question(row["text"], row["label"].strip().capitalize()) for row in csv.DictReader(file)]
    return found


def baselines(asked: list[Question]) -> list[list[str | float]]:
    """Baselines that know neither biology nor graph, in percent."""
    choices = [one for one in asked if one.options]
    truths = [one for one in asked if not one.options]
    counts = Counter(one.answer for one in choices)
    frequent = sum(max(one.options, key=lambda option: counts[option]) == one.answer for one in choices)
    negated = sum(("False" if "not" in one.text.split() else "True") == one.answer for one in truths)
    commoner = max(Counter(one.answer for one in truths).values())
    return [
        ["choices: any option", 100 / 5],
        ["choices: the option that is most often an answer in this file", round(100 * frequent / len(choices), 1)],
        ["statements: the commoner answer", round(100 * commoner / len(truths), 1)],
        ['statements: False where the text holds "not"', round(100 * negated / len(truths), 1)],
        ["choices: the same, as published for the whole set", 70.6],
        ["statements: the same, as published for the whole set", 93.6],
    ]
