"""What every benchmark shares: figures beside their targets, the machine they were measured on, `--check` and JSON.

    def main() -> int:
        options = arguments(__doc__)
        report = Report("executor", packages=["anyio"], quick=options.quick)
        report.add("chain of 1,000", 0.9, unit="x floor", target=1.0)
        report.table("runs", ["runner", "ms"], [["ours", 8.1], ["floor", 9.0]])
        return report.finish(options)

Nothing here names the host or a path, so that results can be published as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

Cell: TypeAlias = str | int | float | None
Better: TypeAlias = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Options:
    """The command line every benchmark has. `quick` ends within two minutes on two cores."""

    quick: bool = False
    check: bool = False
    json: Path | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. With a `target` it can hold or fall short; without one it is only reported."""

    name: str
    value: float
    unit: str = ""
    target: float | None = None
    better: Better = "lower"

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without a target. A value that is not a number never holds."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    @property
    def aim(self) -> str:
        """The target as people write it."""
        return "" if self.target is None else f"{'≤' if self.better == 'lower' else '≥'} {show(self.target)}"

    @property
    def verdict(self) -> str:
        """`holds`, `falls short`, or nothing without a target."""
        return {True: "holds", False: "falls short", None: ""}[self.holds]


@dataclass(frozen=True, slots=True)
class Table:
    """Free-form rows under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(slots=True)
class Report:
    """Collects what one benchmark measured.

    Args:
        name: the benchmark's name.
        packages: distributions whose installed versions matter to the figures.
        quick: whether this was the short run.
    """

    name: str
    packages: Sequence[str] = ()
    quick: bool = False
    figures: list[Figure] = field(init=False, default_factory=list[Figure])
    tables: list[Table] = field(init=False, default_factory=list[Table])
    notes: list[str] = field(init=False, default_factory=list[str])

    def add(
        self, figure: str, value: float, *, unit: str = "", target: float | None = None, better: Better = "lower"
    ) -> Figure:
        """Records one number and, with a target, which side of it is good."""
        made = Figure(figure, value, unit, target, better)
        self.figures.append(made)
        return made

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Records rows as they are; numbers keep their precision in the JSON."""
        self.tables.append(Table(title, columns, [list(row) for row in rows]))

    def note(self, text: str) -> None:
        """Records a sentence the figures cannot be read without."""
        self.notes.append(text)

    @property
    def ok(self) -> bool:
        """Whether no figure falls short of its target."""
        return all(figure.holds is not False for figure in self.figures)

    def to_json(self) -> dict[str, object]:
        """The whole report as JSON data."""
        return {
            "benchmark": self.name,
            "quick": self.quick,
            "machine": machine(),
            "versions": versions(self.packages),
            "figures": [
                {
                    "name": figure.name,
                    "value": figure.value,
                    "unit": figure.unit,
                    "target": figure.target,
                    "better": figure.better,
                    "holds": figure.holds,
                }
                for figure in self.figures
            ],
            "tables": [
                {"title": table.title, "columns": [*table.columns], "rows": [[*row] for row in table.rows]}
                for table in self.tables
            ],
            "notes": self.notes,
        }

    def to_text(self) -> str:
        """The machine, the tables, the figures and the notes, for a terminal."""
        parts = [f"{self.name}: {', '.join(f'{key} {value}' for key, value in machine().items())}"]
        parts += [f"{table.title}\n{columns_of([table.columns, *table.rows])}" for table in self.tables]
        if self.figures:
            parts.append(columns_of([[f.name, f.value, f.unit, f.aim] for f in self.figures]))
        return "\n\n".join([*parts, *self.notes])

    def to_check(self) -> str:
        """One line for each figure that has a target: name, value, target, verdict."""
        rows = [[f.name, f.value, f.unit, f.aim, f.verdict] for f in self.figures if f.target is not None]
        return columns_of(rows)

    def finish(self, options: Options) -> int:
        """Prints what the options ask for, writes the JSON, and returns the exit status."""
        print(self.to_text())
        if options.json is not None:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if not options.check:
            return 0
        print("\n" + self.to_check())
        return 0 if self.ok else 1


def parser(description: str | None) -> argparse.ArgumentParser:
    """The shared options; a benchmark may add its own before it parses."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a short run, within two minutes on two cores")
    made.add_argument("--check", action="store_true", help="compare with the targets; exit status 1 if one is missed")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")
    return made


def options_of(parsed: argparse.Namespace) -> Options:
    """The shared options of a parsed command line."""
    return Options(quick=parsed.quick, check=parsed.check, json=parsed.json)


def arguments(description: str | None, argv: Sequence[str] | None = None) -> Options:
    """Reads a command line that has the shared options only."""
    return options_of(parser(description).parse_args(argv))


def machine() -> dict[str, Cell]:
    """What the figures depend on: CPU model, cores, memory in GiB, operating system and Python version."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gib": None if memory is None else round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(packages: Iterable[str]) -> Mapping[str, str]:
    """Installed versions of the given distributions; the ones that are not installed are left out."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def columns_of(rows: Sequence[Sequence[Cell]]) -> str:
    """Rows as aligned plain text; numbers to the right."""
    width = max(map(len, rows), default=0)
    widths = [max(len(show(row[i])) for row in rows if i < len(row)) for i in range(width)]
    return "\n".join("  ".join(map(_cell, row, widths)).rstrip() for row in rows)


def show(value: Cell) -> str:
    """A number with three significant digits (whole numbers in full), anything else as it is."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cell(value: Cell, width: int) -> str:
    return show(value).rjust(width) if isinstance(value, int | float) else show(value).ljust(width)


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()
