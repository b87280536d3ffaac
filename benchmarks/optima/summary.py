"""From conversations to figures: means with bootstrapped intervals, compared on the questions that both sides have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import mean, median
from typing import TypeVar

from benchmarks.optima.arms import Arm
from benchmarks.optima.measure import TOGETHER, Cache, Row
from benchmarks.report import Report
from multiagent.training import Task

DRAWS = 2000
Value = TypeVar("Value")


def summarise(
    report: Report,
    tasks: Mapping[str, Sequence[Task]],
    arms: Mapping[str, Mapping[str, Arm]],
    cache: Cache,
    model: str,
) -> None:
    """Fills the report from what the cache holds."""
    for dataset, questions in tasks.items():
        rows: list[list[str | int | float | None]] = []
        for arm in arms[dataset]:
            held = [cache.rows[dataset, arm, task.id] for task in questions if (dataset, arm, task.id) in cache.rows]
            if not held:
                rows.append([arm, 0, None, "", None, None, None, None, "not run"])
                continue
            low, high = interval([row.score for row in held], mean)
            stops = ", ".join(f"{count} {stop}" for stop, count in Counter(row.stop for row in held).most_common(4))
            rows.append(
                [
                    arm,
                    len(held),
                    mean(row.score for row in held),
                    f"{low:.2f} to {high:.2f}",
                    mean(row.tokens for row in held),
                    mean(row.prompt for row in held),
                    mean(row.turns for row in held),
                    median(row.seconds for row in held),
                    stops,
                ]
            )
        metric = "accuracy" if dataset == "gsm8k" else "F1"
        columns = ["arm", "questions", metric, "95% interval", "written", "read", "turns", "median s", "stop reasons"]
        report.table(dataset, columns, rows)
    for dataset, plain, compact in (
        ("asym_hotpot", "exchange, plain", "exchange, compact"),
        ("asym_musique", "exchange, plain", "exchange, compact"),
        ("gsm8k", "debate, plain", "debate, compact"),
    ):
        pairs = [
            (cache.rows[dataset, plain, task.id], cache.rows[dataset, compact, task.id])
            for task in tasks.get(dataset, ())
            if (dataset, plain, task.id) in cache.rows and (dataset, compact, task.id) in cache.rows
        ]
        if pairs:
            _compare(report, dataset, pairs)
    report.note(
        f"Model: {model}, untrained. Tokens are written and read a question, what the prefix cache held included. "
        f"Wall time is that of one conversation while up to {TOGETHER} shared the server, on a machine that did other "
        f"work too: compare the arms, not the seconds. Intervals are bootstrapped over questions ({DRAWS} draws); with "
        "few questions they are wide."
    )


def _compare(report: Report, dataset: str, pairs: Sequence[tuple[Row, Row]]) -> None:
    ratio = _ratio(pairs)
    gain = mean(compact.score - plain.score for plain, compact in pairs)
    low, high = interval([compact.score - plain.score for plain, compact in pairs], mean)
    least, most = interval(pairs, _ratio)
    report.add(f"{dataset}: compact tokens / plain tokens", ratio, target=0.5)
    metric = "accuracy" if dataset == "gsm8k" else "F1"
    report.add(f"{dataset}: {metric} compact - {metric} plain", gain, target=0.0, better="higher")
    report.note(
        f"{dataset}: {len(pairs)} questions in both; {metric} difference {gain:+.3f} (95%: {low:+.3f} to {high:+.3f}), "
        f"tokens {ratio:.2f} of plain (95%: {least:.2f} to {most:.2f})."
    )


def _ratio(pairs: Sequence[tuple[Row, Row]]) -> float:
    return sum(compact.tokens for _, compact in pairs) / sum(plain.tokens for plain, _ in pairs)


def interval(values: Sequence[Value], statistic: Callable[[Sequence[Value]], float]) -> tuple[float, float]:
    """The bootstrapped 95% interval of a statistic (Efron's percentiles, fixed seed)."""
    random = Random(0)
    drawn = sorted(statistic(random.choices(values, k=len(values))) for _ in range(DRAWS))
    return drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS) - 1]
