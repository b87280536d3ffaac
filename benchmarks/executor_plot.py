"""The executor benchmark's table as a picture."""

# pyright: reportUnknownMemberType=false, reportMissingImports=false, reportUnknownVariableType=false
# matplotlib is optional and its types are partial.

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Table, show

COLOURS = ("#0b6e4f", "#8d99ae", "#c9cfd8", "#e07a1f", "#7b4fb3", "#2a7fc1", "#b23a48")


def draw(table: Table, file: Path) -> None:
    """Writes an SVG: one group of bars a graph, one bar a runner, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "agentrt", "font.family": "sans-serif", "font.size": 9})
    graphs = list(table.columns[1:])
    figure, axes = pyplot.subplots(figsize=(10, 4.2), layout="constrained")
    width = 0.84 / len(table.rows)
    for number, row in enumerate(table.rows):
        places = [place + (number - (len(table.rows) - 1) / 2) * width for place in range(len(graphs))]
        heights = [value if isinstance(value, int | float) else 0.0 for value in row[1:]]
        bars = axes.bar(places, heights, width, label=str(row[0]), color=COLOURS[number % len(COLOURS)])
        labels = [show(value) if value is not None else "" for value in row[1:]]
        axes.bar_label(bars, labels, rotation=90, padding=2, fontsize=7)
    axes.set_yscale("log")
    axes.set_ylim(0.4, 6000)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(graphs)), graphs)
    axes.set_ylabel("x asyncio floor (no-op)\nx critical path (sleeps)")
    axes.legend(ncols=3, frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
