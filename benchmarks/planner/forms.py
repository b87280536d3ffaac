"""How good plans are when they are free, repaired and constrained, on NESTFUL's questions."""

from __future__ import annotations

import sys
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
from planner.example_store import ExampleStore
from planner.examples import Example
from planner.forms import PlanForm
from planner.prompt import describe
from planner.reader import read_plan
from planner.training import plan_text

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DISTRACTORS = 6
ABREAST = 4
# Models with 2,048 tokens of context, and the characters of tool descriptions that fit in there.
_SHORT = ("smollm2-135m",)
_SHORT_PROMPT = 3_000
_STORED = "gold"


class Way(NamedTuple):
    """One way to hold a model to the form of a plan."""

    label: str
    form: PlanForm
    corrections: int = 1
    grounded: bool = False
    examples: bool = False


class Written(NamedTuple):
    """What a model made of one question."""

    parsed: bool
    cut: bool
    score: Score
    tokens: int
    seconds: float


WAYS = (
    Way("free", "free", corrections=0),
    Way("repaired", "free"),
    Way("constrained", "grammar"),
    Way("grounded", "grammar", grounded=True),
    Way("constrained, with examples", "grammar", examples=True),
)


async def compare(report: Report, model: BaseChatModel, name: str, *, most: int, seconds: float) -> None:
    """Adds a table of scores for one model, and the parse rate under a grammar as a figure.

    Each question is asked in all forms before the next, so that a run that `seconds` cuts short compares the same
    questions, and the server has the prompt already.
    """
    asked, defects = questions_for(name, most)
    store = examples_beside(asked)
    until = time.monotonic() + seconds
    results: dict[str, list[Written]] = {way.label: [] for way in WAYS}
    for at in range(0, len(asked), ABREAST):
        if at and time.monotonic() > until:
            break
        for way in WAYS:
            results[way.label] += await plans_of(model, asked[at : at + ABREAST], way, store)
        done = {label: sum(item.parsed for item in found) for label, found in results.items()}
        print(f"{name}: {len(results['free'])} questions, plans that parse: {done}", file=sys.stderr, flush=True)
    columns = ["form", "parse", "cut off", "tool F1", "edge F1", "arguments", "whole plan", "tokens", "s (median)"]
    same = asked[: len(next(iter(results.values())))]
    results = {"gold plan, held to its tools": [gold(question) for question in same], **results}
    rows = [[label, *summary(found)] for label, found in results.items()]
    report.table(f"NESTFUL, {name}, {len(results['free'])} questions", columns, rows)
    parsed = fmean(item.parsed for item in results["constrained"])
    report.add(f"{name}: constrained plans that parse", 100 * parsed, unit="%", target=100, better="higher")
    left_out = ", ".join(f"{count} x {kind}" for kind, count in sorted(defects.items())) or "none"
    report.note(
        f"NESTFUL, {name}: tools of the gold plan and {DISTRACTORS} others in the prompt; greedy; {ABREAST} questions "
        f"at a time. Examples: up to three right plans of other questions over tools that are shown. "
        f"Gold plans that cannot run as written, and are left out: {left_out}."
    )


def questions_for(name: str, most: int) -> tuple[list[Question], Counter[str]]:
    """Every n-th sound question over all sets that fits into a model's context; and the defects of the others."""
    found: list[Question] = []
    defects: Counter[str] = Counter()
    for source in SETS:
        for question in questions_of(source, tools_of(source)):
            if question.defect:
                defects[question.defect] += 1
            elif name not in _SHORT or _fits(question):
                found.append(question)
    step = max(1, len(found) // most)
    return found[::step][:most], defects


def _fits(question: Question) -> bool:
    tools = around(question, tools_of(question.source), DISTRACTORS)
    return sum(len(describe(tool)) for tool in tools.values()) < _SHORT_PROMPT


def examples_beside(asked: Sequence[Question]) -> ExampleStore:
    """The right plans of all questions that are not asked: what a store could hold at best."""
    store = ExampleStore()
    texts = {question.text for question in asked}
    for source in SETS:
        tools = tools_of(source)
        for question in questions_of(source, tools):
            if not question.defect and question.text not in texts:
                store.add(Example(question.text, plan_text(question.gold, tools)), _STORED)
    return store


def gold(question: Question) -> Written:
    """The right plan, read as a model's would be: what contradicts its tools' own specification is lost."""
    tools = tools_of(question.source)
    reading = read_plan(plan_text(question.gold, tools), tools)
    return Written(not reading.problems, False, score(reading.tasks, question.gold), 0, 0.0)


async def plans_of(
    model: BaseChatModel, asked: Sequence[Question], way: Way, store: ExampleStore | None = None
) -> list[Written]:
    """What a model makes of each question, `ABREAST` at a time."""
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
                form=way.form,
                corrections=way.corrections,
                grounded=way.grounded,
                store=store if way.examples else None,
                called=_STORED,
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
            except PlannerError as error:
                parsed = False
                print(f"{way.label}, {question.text[:60]}: {error}", file=sys.stderr, flush=True)
            cut = any(isinstance(event, PlanWarning) and "cut off" in event.message for event in events)
            near = score(tasks, question.gold) if parsed else Score(0, 0, 0, 0)
            found[at] = Written(parsed, cut, near, stream.usage.output_tokens, time.monotonic() - began)

    async with anyio.create_task_group() as group:
        for at, question in enumerate(asked):
            group.start_soon(one, at, question)
    return [found[at] for at in range(len(asked))]


def summary(written: Sequence[Written]) -> list[str | int | float | None]:
    """The columns of a table from `parse` on."""
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
