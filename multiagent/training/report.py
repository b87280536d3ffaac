"""The report of a training run: what each iteration came to, samples side by side, two plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from multiagent.training.recipe import Recipe
from multiagent.trajectories import write_lines


@dataclass(frozen=True)
class Iteration:
    """One evaluated model. `kind` is `base` for the one before training; scores are means over the held-out tasks."""

    number: int
    kind: str
    reward: float
    task: float
    tokens: float
    answered: float
    agreed: float
    steps: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Sample:
    """One held-out dialogue of one iteration."""

    iteration: int
    transcript: str
    answer: str | None
    reference: str


def write_report(
    folder: Path,
    recipe: Recipe,
    base: str,
    iterations: Sequence[Iteration],
    samples: Mapping[str, Sequence[Sample]],
    *,
    machine: str = "",
) -> Path:
    """Writes `report.md`, `report.json`, `reward.svg` and `tokens.svg`; returns the first one's path."""
    numbers = [one.number for one in iterations]
    write_lines(folder / "reward.svg", [_plot("reward", numbers, [one.reward for one in iterations])])
    write_lines(folder / "tokens.svg", [_plot("tokens", numbers, [one.tokens for one in iterations])])
    body = {
        "recipe": asdict(recipe),
        "base": _model_name(base),
        "machine": machine,
        "iterations": [asdict(one) for one in iterations],
    }
    write_lines(folder / "report.json", [json.dumps(body, indent=1, ensure_ascii=False, default=str)])
    lines = [
        f"# {recipe.name} on {_model_name(base)}",
        "",
        *([f"Run on: {machine}.", ""] if machine else []),
        "| iteration | trained by | reward | task metric | tokens | answered | agreed | trained on |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(one) for one in iterations),
        "",
        "![reward by iteration](reward.svg) ![tokens by iteration](tokens.svg)",
    ]
    if len(iterations) <= len(recipe.steps):
        lines += ["", f"{len(iterations)} of {len(recipe.steps) + 1} evaluations are done; the others were not run."]
    for question, found in samples.items():
        lines += ["", f"## {question}", "", f"Right: {found[0].reference}"]
        for sample in found:
            said = "\n".join(f"    {line}" for line in sample.transcript.splitlines()) or "    (nothing was said)"
            lines += ["", f"Iteration {sample.iteration}, answer {sample.answer!r}:", "", said]
    write_lines(folder / "report.md", lines)
    return folder / "report.md"


def _model_name(base: str) -> str:
    """A catalogue model's folder is named after its weights' precision, and its parent after the model."""
    path = Path(base)
    return f"{path.parent.name} {path.name}" if path.name in ("bf16", "int8") else path.name


def _row(one: Iteration) -> str:
    trained = one.steps.get("select", {})
    amount = ", ".join(f"{trained[key]} {key}" for key in ("dialogues", "rows", "pairs") if key in trained)
    return (
        f"| {one.number} | {one.kind} | {one.reward:.3f} | {one.task:.3f} | {one.tokens:.0f} | {one.answered:.0%} "
        f"| {one.agreed:.0%} | {amount} |"
    )


def _plot(title: str, numbers: Sequence[int], values: Sequence[float]) -> str:
    """A line through the values, as SVG."""
    width, height, left, top = 360, 200, 50, 30
    low, high = min(values, default=0.0), max(values, default=1.0)
    span, steps = (high - low) or 1.0, max(max(numbers, default=1), 1)

    def place(number: int, value: float) -> tuple[float, float]:
        return left + number / steps * (width - left - 20), height - 30 - (value - low) / span * (height - top - 40)

    points = [place(number, value) for number, value in zip(numbers, values, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2563eb"/>' for x, y in points)
    ticks = "".join(
        f'<text x="{place(number, low)[0]:.1f}" y="{height - 10}" text-anchor="middle">{number}</text>'
        for number in numbers
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{left}" y="18">{escape(title)} by iteration</text>'
        f'<text x="5" y="{place(0, low)[1]:.1f}">{low:.2f}</text><text x="5" y="{place(0, high)[1]:.1f}">{high:.2f}'
        f'</text><polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>{dots}{ticks}</svg>'
    )
