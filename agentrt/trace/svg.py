"""The two pictures of a page: the graph from left to right, and bars over time. Plain SVG text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html import escape
from itertools import pairwise

from agentrt.trace.critical import Step
from agentrt.trace.details import arguments_line, seconds
from agentrt.trace.layout import layout
from agentrt.trace.recorded import Phase, RunTrace, TaskTrace
from executor.refs import references

MARKS = {"waiting": "·", "running": "…", "finished": "✓", "failed": "✗", "skipped": "–"}
# Above so many tasks a node shows its name alone.
_SMALL_FROM = 120
_BARS = 1_000


def graph(trace: RunTrace, path: list[Step]) -> str:
    """The plan as an SVG element. A node is a button that carries its task's number in `data-i`."""
    critical = {step.key for step in path}
    thick = {(before.key, after.key) for before, after in pairwise(path)}
    small = len(trace.tasks) > _SMALL_FROM
    width, height, right, below = (92, 22, 30, 6) if small else (196, 42, 48, 12)
    spots = layout({name: task.needs for name, task in trace.tasks.items()})
    numbers = {name: number for number, name in enumerate(trace.tasks)}
    at = {name: (spot.column * (width + right) + 8, spot.row * (height + below) + 8) for name, spot in spots.items()}
    across = max((x for x, _ in at.values()), default=0) + width + 8
    down = max((y for _, y in at.values()), default=0) + height + 8
    parts = [
        f'<svg id="graph" viewBox="0 0 {across:.0f} {down:.0f}" width="{across:.0f}" height="{down:.0f}" '
        'role="group" aria-label="Task graph. Arrow keys move along the edges, Enter shows a task.">'
    ]
    for need, name, whole in _edges(trace):
        (x1, y1), (x2, y2) = at[need], at[name]
        x1, y1, y2 = x1 + width, y1 + height / 2, y2 + height / 2
        bend = max(14.0, min((x2 - x1) / 2, 60.0))
        marked = " crit" if (need, name) in thick else ""
        parts.append(
            f'<path class="e{"" if whole else " weak"}{marked}" data-a="{numbers[need]}" data-b="{numbers[name]}" '
            f'd="M{x1:.0f} {y1:.1f}C{x1 + bend:.0f} {y1:.1f} {x2 - bend:.0f} {y2:.1f} {x2:.0f} {y2:.1f}"/>'
        )
    for name, task in trace.tasks.items():
        x, y = at[name]
        parts.append(_node(task, numbers[name], (x, y, width, height), small=small, critical=name in critical))
    return "".join([*parts, "</svg>"])


def bar(step: TaskTrace | Phase, wall: float) -> str:
    """One row's bar: a thin line while it waited, a bar while it ran, ticks where an attempt failed."""
    scale = _BARS / wall if wall > 0 else 0.0
    parts = [f'<svg class="bar" viewBox="0 0 {_BARS} 16" preserveAspectRatio="none" aria-hidden="true">']
    if isinstance(step, TaskTrace) and step.started is not None:
        parts.append(_rect("wait", step.added * scale, (step.started - step.added) * scale, 7, 2))
    if step.started is not None:
        ended = wall if step.ended is None else step.ended
        parts.append(_rect("run", step.started * scale, max(2.0, (ended - step.started) * scale), 2, 12))
    if isinstance(step, TaskTrace):
        parts += [_rect("again", retry.time * scale, 3.0, 0, 16) for retry in step.retries]
    return "".join([*parts, "</svg>"])


def axis(wall: float) -> str:
    """The time scale above the bars."""
    step = _round_step(wall / 5) if wall > 0 else 1.0
    marks: list[str] = []
    at = 0.0
    while at <= wall * 0.96:
        where = 100 * at / wall if wall > 0 else 0
        anchor = "start" if at == 0 else "middle"
        marks.append(f'<text x="{where:.2f}%" y="12" text-anchor="{anchor}">{escape(_tick(at))}</text>')
        at += step
    return f'<svg class="axis" height="16" aria-hidden="true">{"".join(marks)}</svg>'


def _tick(value: float) -> str:
    return "0" if value == 0 else seconds(value).replace(".00 s", " s")


def _round_step(least: float) -> float:
    unit = 10.0 ** (len(f"{least:.0f}") - 1) if least >= 1 else 10.0 ** -_zeros(least)
    return next(unit * many for many in (1, 2, 5, 10) if unit * many >= least)


def _zeros(value: float) -> int:
    count = 0
    while value < 1 and count < 9:
        value *= 10
        count += 1
    return count


def _rect(kind: str, x: float, width: float, y: int, height: int) -> str:
    x = min(x, _BARS - 2.0)
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{min(width, _BARS - x):.1f}" height="{height}"/>'


def _edges(trace: RunTrace) -> Iterator[tuple[str, str, bool]]:
    for name, task in trace.tasks.items():
        carried = {ref.task for ref, whole in references(task.task.args) if whole}
        for need in task.needs:
            if need in trace.tasks:
                yield need, name, need in carried


def _node(task: TaskTrace, number: int, box: tuple[float, float, int, int], *, small: bool, critical: bool) -> str:
    x, y, width, height = box
    name = f"{task.task.id}. {task.task.call}"
    said = f"{name}, {task.state}" + (f", {seconds(task.seconds)}" if task.seconds else "")
    said += ", on the critical path" if critical else ""
    mark = MARKS[task.state] + ("↻" if task.retries else "")
    room = 12 if small else 26
    lines = f'<text x="8" y="{15 if small else 17}">{escape(f"{mark} {fit(name, room - len(mark))}")}</text>'
    if not small:
        lines += f'<text class="args" x="8" y="34">{escape(fit(arguments_line(task, 60), 29))}</text>'
    return (
        f'<g class="n {task.state}{" crit" if critical else ""}" data-i="{number}" role="button" tabindex="-1" '
        f'aria-label="{escape(said)}" transform="translate({x:.0f} {y:.1f})">'
        f'<rect width="{width}" height="{height}" rx="5"/>{lines}</g>'
    )


def fit(text: str, room: int) -> str:
    """As much of `text` as goes into `room` characters of normal width; East Asian ones count as two."""
    used = 0
    for at, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > room:
            return text[: max(0, at - 1)] + "…"
    return text
