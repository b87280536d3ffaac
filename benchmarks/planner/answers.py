"""Questions answered by plans and by ReAct: the same model, server, tools and simulated latency, in one run."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from agentrt import Runtime
from benchmarks.planner.cases import LATENCY, Case, hotpot_qa, is_right, movies
from benchmarks.planner.parallel_qa import parallel_qa
from benchmarks.report import Report
from executor import Tool
from planner import PlannerError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CASES: dict[str, Callable[[], tuple[list[Case], list[Tool]]]] = {
    "HotpotQA": hotpot_qa,
    "Movie": movies,
    "ParallelQA": parallel_qa,
}
PUBLISHED = {"HotpotQA": (1.80, 3.37), "Movie": (3.74, 6.73), "ParallelQA": (2.27, 4.65)}
"""LLMCompiler against ReAct (arXiv 2312.04511): times faster, and times cheaper."""


class Run(NamedTuple):
    """One question under one policy. Where the time went is told of the compiler alone, for its parts overlap little.

    Attributes:
        right: whether the answer has the right one in it.
        seconds: all of it.
        tokens: read and written.
        calls: of tools.
        written: tokens that the model wrote.
        planning: seconds in which plans were written.
        joining: seconds in which results were read and answers written.
    """

    right: bool
    seconds: float
    tokens: int
    calls: int
    written: int = 0
    planning: float = 0.0
    joining: float = 0.0


async def against_react(
    report: Report, model: BaseChatModel, name: str, *, sets: Sequence[str], most: int, seconds: float
) -> None:
    """Adds a table for each set: accuracy, tokens and time of both, and their ratios with 95% intervals.

    Both answer through a `Runtime` as its users have it, except that no call is answered from memory.
    """
    for which in sets:
        cases, tools = CASES[which]()
        fair: dict[str, Any] = {"max_plan_tokens": 400, "max_replans": 1, "cache": False}
        async with (
            Runtime(model, tools, **fair) as compiler,
            Runtime(model, tools, plan="react", **fair) as react,
        ):
            runs = await _alternate(cases, compiler, react, most, seconds / len(sets))
        _report(report, which, name, runs)


async def _alternate(
    cases: Sequence[Case], compiler: Runtime, react: Runtime, most: int, seconds: float
) -> list[tuple[Run, Run]]:
    # The first request of each kind brings its grammar and its prompt to the server. Its question is not asked again:
    # drafts that look answers up would know its texts.
    *measured, first_of_all = cases[: most + 1]
    for runtime in (compiler, react):
        await _timed(runtime, first_of_all)
    until = time.monotonic() + seconds
    done: list[tuple[Run, Run]] = []
    for at, case in enumerate(measured):
        if done and time.monotonic() > until:
            break
        if at % 2:
            second = await _timed(react, case)
            done.append((await _timed(compiler, case), second))
        else:
            first = await _timed(compiler, case)
            done.append((first, await _timed(react, case)))
        print(f"{len(done)} questions: {done[-1]}", file=sys.stderr, flush=True)
    return done


async def _timed(runtime: Runtime, case: Case) -> Run:
    began = time.monotonic()
    try:
        answer = await runtime.ask(case.question)
    except PlannerError as error:
        print(f"{case.question}: {error}", file=sys.stderr, flush=True)
        return Run(False, time.monotonic() - began, 0, 0)
    return Run(
        right=is_right(case, answer.text),
        seconds=answer.timings.wall,
        tokens=answer.usage.input_tokens + answer.usage.output_tokens,
        calls=len(answer.plan),
        written=answer.usage.output_tokens,
        planning=answer.timings.planning,
        joining=answer.timings.joining,
    )


def _report(report: Report, which: str, name: str, runs: Sequence[tuple[Run, Run]]) -> None:
    ours, theirs = [first for first, _ in runs], [second for _, second in runs]
    columns = ["policy", "right", "model tokens", "written", "s (mean)", "s (median)", "calls"]
    rows = [[label, *_row(found)] for label, found in (("compiler", ours), ("ReAct", theirs))]
    report.table(f"{which}, {name}, {len(runs)} questions", columns, rows)
    planning, joining = fmean(run.planning for run in ours), fmean(run.joining for run in ours)
    waiting = fmean(run.seconds for run in ours) - planning - joining
    report.note(
        f"{which}, {name}: of the compiler's time a question, {planning:.2f} s were writing plans, "
        f"{joining:.2f} s joining, {waiting:.2f} s waiting for calls that were not over when the plan was."
    )
    faster, cheaper = PUBLISHED[which]
    for what, target, of in (
        ("faster", faster, lambda run: run.seconds),
        ("fewer tokens", cheaper, lambda run: float(run.tokens)),
    ):
        pairs = [(of(second), of(first)) for first, second in runs]
        low, high = _interval(pairs)
        report.add(f"{which}, {name}: {what} than ReAct", _ratio(pairs), unit="x", target=target, better="higher")
        report.note(f"{which}, {name}: {what}, 95% interval over questions {low:.2f} to {high:.2f}.")
    gain = fmean(run.right for run in ours) - fmean(run.right for run in theirs)
    report.add(f"{which}, {name}: accuracy above ReAct", 100 * gain, unit="points", target=0, better="higher")
    report.note(
        f"{which}: tool calls sleep for a log-normal time (median {LATENCY} s, the same call the same time for both); "
        f"under a grammar; one question at a time, who goes first alternates. What a server reads ahead (instructions, "
        f"results while the last call runs) is in no count of tokens."
    )


def _row(runs: Sequence[Run]) -> list[str | int | float | None]:
    return [
        f"{sum(run.right for run in runs)}/{len(runs)}",
        round(fmean(run.tokens for run in runs)),
        round(fmean(run.written for run in runs)),
        round(fmean(run.seconds for run in runs), 2),
        round(median(run.seconds for run in runs), 2),
        round(fmean(run.calls for run in runs), 2),
    ]


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    below = sum(second for _, second in pairs)
    return sum(first for first, _ in pairs) / below if below else math.nan


def _interval(pairs: Sequence[tuple[float, float]], draws: int = 2_000) -> tuple[float, float]:
    """A bootstrap interval over questions."""
    chance = random.Random(0)
    found = sorted(_ratio(chance.choices(pairs, k=len(pairs))) for _ in range(draws))
    return found[int(0.025 * draws)], found[int(0.975 * draws)]
