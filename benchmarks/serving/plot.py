"""The serving benchmark's table as a picture: tokens a second with each way to draft over those without.

python -m benchmarks.serving.plot benchmarks/results/serving.json docs/serving.svg
"""

# pyright: reportUnknownMemberType=false, reportMissingImports=false, reportUnknownVariableType=false
# matplotlib is optional and its types are partial.

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLOURS = ("#0b6e4f", "#e07a1f", "#2a7fc1", "#7b4fb3")
_RATE = 5


def ratios(rows: list[list[Any]]) -> dict[str, dict[str, float]]:
    """For every method its tokens a second over those of `off` in the row before it, by workload and streams."""
    found: dict[str, dict[str, float]] = {}
    for plain, drafted in zip(rows[::2], rows[1::2], strict=True):
        workload, streams, method = drafted[:3]
        group = f"{workload}, {streams} stream{'s' if streams > 1 else ''}"
        found.setdefault(method, {})[group] = drafted[_RATE] / plain[_RATE]
    return found


def draw(rows: list[list[Any]], file: Path) -> None:
    """Writes an SVG: one group of bars a workload and number of streams, one bar a method."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "agentrt", "font.family": "sans-serif", "font.size": 9})
    methods = ratios(rows)
    groups = list(next(iter(methods.values())))
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.8 / len(methods)
    for number, (method, found) in enumerate(methods.items()):
        places = [place + (number - (len(methods) - 1) / 2) * width for place in range(len(groups))]
        heights = [found.get(group, 0.0) for group in groups]
        bars = axes.bar(places, heights, width, label=method, color=COLOURS[number % len(COLOURS)])
        axes.bar_label(bars, [f"{height:.2f}" for height in heights], padding=2, fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel("tokens a second, x off")
    axes.legend(ncols=3, frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def main() -> int:
    """Draws the table `speculation` of a result file."""
    source, target = map(Path, sys.argv[1:3])
    tables = json.loads(source.read_text())["tables"]
    draw(next(table["rows"] for table in tables if table["title"] == "speculation"), target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
