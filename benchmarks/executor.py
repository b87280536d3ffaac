"""The executor against bare asyncio and against other runtimes.

No-op graphs show what the runner itself costs, as a multiple of the asyncio floor; graphs of sleeps show how
close a run comes to its critical path. Runners take turns in one process; figures are medians.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from statistics import median, quantiles

from benchmarks.executor_graphs import Graph, Work, chain, equal_sleeps, layered, uneven_sleeps, wide
from benchmarks.executor_runners import CountingObserver, Prepare, anyio_group, floor, installed_peers, ours, plan_of
from benchmarks.report import Report, options_of, parser
from executor import Executor, Task, TaskEvent, TaskStarted, Tool

PACKAGES = ("anyio", "langgraph", "llama-index-workflows", "dask")
BASE: Mapping[str, Prepare] = {"agentrt": ours, "asyncio floor": floor, "anyio task group": anyio_group}
Times = dict[str, list[float]]

# A peer that takes longer than this a run (seconds) is timed once: it is orders of magnitude away.
_TOO_SLOW = 4.0
# A runner that is faster than this (seconds) runs once untimed before each timed run: whoever came before it, and the
# garbage collector, have filled the processor's caches with their own.
_WARMED = 0.5


async def take_turns(graph: Graph, runners: Mapping[str, Prepare], rounds: int) -> Times:
    """Seconds of every run, by runner. The first round warms up, and checks that every runner is right."""
    times: Times = {name: [] for name in runners}
    for round_number in range(rounds + 1):
        for name, prepare in runners.items():
            if times[name] and times[name][0] > _TOO_SLOW:
                continue
            work = Work(graph)
            run = prepare(work)
            gc.collect()
            if times[name] and times[name][0] < _WARMED:
                await prepare(Work(graph))()
            began = time.perf_counter()
            await run()
            took = time.perf_counter() - began
            if round_number == 0:
                work.verify()
            if round_number or took > _TOO_SLOW:
                times[name].append(took)
    return times


def ratio(times: Times, name: str, base: str = "asyncio floor") -> float:
    """Median over the rounds of `name`'s time against that of `base` in the same round."""
    return median(mine / other for mine, other in zip(times[name], times[base], strict=False))


async def start_latency(lines: int) -> list[float]:
    """Seconds from handing over a task in a stream to its start, for each of `lines` tasks."""
    handed: dict[str, float] = {}
    latencies: list[float] = []

    def observe(event: TaskEvent) -> None:
        if isinstance(event, TaskStarted):
            latencies.append(event.time - handed[event.id])

    async def stream() -> AsyncIterator[Task]:
        for number in range(lines):
            await asyncio.sleep(0.002)
            task = Task(str(number), "work", {"number": number})
            handed[task.id] = time.monotonic()
            yield task

    async def work(number: int) -> int:
        return number

    await Executor([Tool(name="work", function=work)], observe=observe).run(stream())
    return latencies


def many(count: int) -> dict[str, float]:
    """Runs `count` tasks in this process; seconds, and MiB the process grew by, plan and results included."""
    import psutil

    graph = layered(count, 2 * count, 1000)
    work = Work(graph)
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    tasks = plan_of(work)
    built = time.perf_counter()
    outcomes = asyncio.run(Executor([Tool(name="work", function=work.call)], observe=CountingObserver()).run(tasks))
    ended = time.perf_counter()
    assert len(outcomes) == count
    # Nothing has been freed yet, so that what the process holds now is its peak.
    grown = psutil.Process().memory_info().rss - before
    work.verify()
    return {"plan": built - began, "run": ended - built, "mib": grown / 2**20}


def many_elsewhere(count: int) -> dict[str, float]:
    """`many` in a fresh process, whose memory nothing else has touched."""
    command = [sys.executable, "-m", "benchmarks.executor", "--many", str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(report: Report, rounds: int, runners: Mapping[str, Prepare], sleeping: Mapping[str, Prepare]) -> None:
    """Fills the report."""
    rows: dict[str, dict[str, float]] = {name: {} for name in {**runners, **sleeping}}
    for graph, target in ((wide(1000), 2.0), (chain(1000), 1.0), (layered(2000, 6000, 50), 2.0)):
        times = asyncio.run(take_turns(graph, runners, rounds))
        for name in runners:
            rows[name][graph.name] = ratio(times, name)
        report.add(f"{graph.name}: against the floor", rows["agentrt"][graph.name], unit="x", target=target)
        report.add(f"{graph.name}: time a task", median(times["agentrt"]) / len(graph.needs) * 1e6, unit="us")
        print(f"{graph.name}: done", file=sys.stderr)
    for graph in (equal_sleeps(200, 0.05), uneven_sleeps()):
        times = asyncio.run(take_turns(graph, sleeping, rounds))
        for name in sleeping:
            rows[name][graph.name] = median(times[name]) / graph.critical_path
        mine, bare = rows["agentrt"][graph.name], rows["asyncio floor"][graph.name]
        report.add(f"{graph.name}: makespan / critical path", mine, unit="x", target=1.05)
        report.add(f"{graph.name}: the asyncio floor's makespan / critical path", bare, unit="x")
        print(f"{graph.name}: done", file=sys.stderr)
    graphs = list(rows["agentrt"])
    report.table(
        "no-op graphs: time / asyncio floor; sleeps: makespan / critical path",
        ["runner", *graphs],
        [[name, *(row.get(graph) for graph in graphs)] for name, row in rows.items()],
    )


def main() -> int:
    command = parser(__doc__)
    command.add_argument("--plot", type=Path, metavar="FILE", help="draw the table as an SVG")
    command.add_argument("--many", type=int, metavar="COUNT", help="only run COUNT tasks and print time and memory")
    parsed = command.parse_args()
    if parsed.many:
        print(json.dumps(many(parsed.many)))
        return 0
    options = options_of(parsed)
    report = Report("executor", PACKAGES, options.quick)
    peers = {} if options.quick else installed_peers()
    gc.collect()
    gc.freeze()  # so that collections do not walk through what importing the peers left
    measure(report, 3 if options.quick else 5, {**BASE, **peers}, {**BASE, **peers})
    latencies = asyncio.run(start_latency(200))
    report.add("start after a line: median", median(latencies) * 1e3, unit="ms", target=1.0)
    report.add("start after a line: 99th percentile", quantiles(latencies, n=100)[98] * 1e3, unit="ms")
    big = many_elsewhere(100_000)
    report.add("100,000 tasks: run", big["run"], unit="s", target=5.0)
    report.add("100,000 tasks: memory, plan and results included", big["mib"], unit="MiB", target=200.0)
    report.add("100,000 tasks: making the plan", big["plan"], unit="s")
    report.note("No-op graphs run with events on; the floor has none, nor limits, failures or cancellation.")
    if not peers:
        report.note("Other runtimes were left out: the short run has none, and the others need the extra `bench`.")
    if parsed.plot:
        from benchmarks.executor_plot import draw

        draw(report.tables[0], parsed.plot)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
