"""How good plans are when they are free, repaired and constrained, on NESTFUL's questions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

import anyio

from benchmarks.planner.nestful import SETS, Question, Score, around, questions_of, score, tools_of
from benchmarks.report import Report
from executor import Task
from planner import LLMPlanner, PlannerError, PlanWarning
from planner.forms import PlanForm

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DISTRACTORS = 6
ABREAST = 4


class Written(NamedTuple):
    """What a model made of one question."""

    parsed: bool
    cut: bool
    score: Score
    tokens: int
    seconds: float


async def compare(report: Report, model: BaseChatModel, name: str, *, most: int) -> None:
    """Adds a table of scores for one model, and the parse rate under a grammar as a figure."""
    asked, defects = _questions(most)
    rows: list[list[str | int | float | None]] = []
    results: dict[str, list[Written]] = {}
    for label, form, corrections in (("free", "free", 0), ("repaired", "free", 1), ("constrained", "grammar", 0)):
        results[label] = written = await _all(model, asked, form, corrections)
        rows.append([label, *_summary(written)])
    columns = ["form", "parse", "cut off", "tool F1", "edge F1", "arguments", "whole plan", "tokens", "s (median)"]
    report.table(f"NESTFUL, {name}, {len(asked)} questions", columns, rows)
    parsed = fmean(item.parsed for item in results["constrained"])
    report.add(f"{name}: constrained plans that parse", 100 * parsed, unit="%", target=100, better="higher")
    left_out = ", ".join(f"{count} x {kind}" for kind, count in sorted(defects.items())) or "none"
    report.note(
        f"NESTFUL, {name}: tools of the gold plan and {DISTRACTORS} others in the prompt; greedy; {ABREAST} questions "
        f"at a time. Gold plans that cannot run as written and are left out: {left_out} of {sum(defects.values())}."
    )


def _questions(most: int) -> tuple[list[Question], Counter[str]]:
    """Every n-th sound question over all sets; and the defects of the others."""
    found: list[Question] = []
    defects: Counter[str] = Counter()
    for source in SETS:
        for question in questions_of(source, tools_of(source)):
            if question.defect:
                defects[question.defect] += 1
            else:
                found.append(question)
    step = max(1, len(found) // most)
    return found[::step][:most], defects


async def _all(model: BaseChatModel, asked: Sequence[Question], form: PlanForm, corrections: int) -> list[Written]:
    found: dict[int, Written] = {}
    toolsets = {source: tools_of(source) for source in SETS}
    places = anyio.CapacityLimiter(ABREAST)

    async def one(at: int, question: Question) -> None:
        async with places:
            events: list[object] = []
            planner = LLMPlanner(
                model,
                around(question, toolsets[question.source], DISTRACTORS),
                max_tokens=400,
                form=form,
                corrections=corrections,
                options={"temperature": 0.0},
                observe=events.append,
            )
            began = time.monotonic()
            tasks: list[Task] = []
            stream = planner.plan(question.text)
            parsed = True
            try:
                async with aclosing(stream):
                    async for task in stream:
                        tasks.append(task)  # noqa: PERF401  # those before a failure count
            except PlannerError:
                parsed = False
            cut = any(isinstance(event, PlanWarning) and "cut off" in event.message for event in events)
            near = score(tasks, question.gold) if parsed else Score(0, 0, 0, 0)
            found[at] = Written(parsed, cut, near, stream.usage.output_tokens, time.monotonic() - began)

    async with anyio.create_task_group() as group:
        for at, question in enumerate(asked):
            group.start_soon(one, at, question)
    return [found[at] for at in range(len(asked))]


def _summary(written: Sequence[Written]) -> list[str | int | float | None]:
    scores = [item.score for item in written]
    return [
        f"{sum(item.parsed for item in written)}/{len(written)}",
        sum(item.cut for item in written),
        round(fmean(item.tools for item in scores), 3),
        round(fmean(item.edges for item in scores), 3),
        round(fmean(item.arguments for item in scores), 3),
        round(fmean(item.whole for item in scores), 3),
        round(fmean(item.tokens for item in written), 1),
        round(median(item.seconds for item in written), 2),
    ]
