"""What the journal costs, how soon a resumed run goes on, and what order and single flight gain.

Each figure is the median of its rounds; the journal is a SQLite file on the machine's temporary disk.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks.executor_durable_peers import Dbos, installed, langgraph_sqlite
from benchmarks.executor_graphs import Work, layered
from benchmarks.executor_runners import plan_of
from benchmarks.report import Report, options_of, parser
from executor import Executor, Ref, Task, Tool
from executor.cache import ResultCache
from executor.journal import MemoryJournal, RunLog, SqliteJournal
from executor.priority import Priorities

_RESUMED = 10_000
# Tasks of the graph that other runtimes get too: they take hundreds of times as long.
_BESIDE = 400


async def journal_cost(count: int, folder: Path, width: int = 100) -> tuple[float, float]:
    """Seconds of a run without a journal and with one."""
    graph = layered(count, 2 * count, width)
    took: list[float] = []
    tasks = plan_of(Work(graph))
    with SqliteJournal(folder / "runs.db") as journal:
        for journaled in (False, True):
            work = Work(graph)
            executor = Executor([Tool(name="work", function=work.call, effect="pure")])
            gc.collect()
            began = time.perf_counter()
            if journaled:
                log = RunLog.start(journal)
                await executor.run(tasks, log=log)
                log.end("finished")
            else:
                await executor.run(tasks)
            took.append(time.perf_counter() - began)
            work.verify()
    return took[0], took[1]


def interrupted_run(count: int, folder: Path) -> None:
    """Runs `count` tasks with a journal until the process ends by itself at nine tenths, as if it had been killed."""

    async def work(node: int, inputs: Sequence[int]) -> int:
        if node >= count * 9 // 10:
            await asyncio.sleep(0.5)  # what has been done is written down by then
            os._exit(9)
        return node

    journal = SqliteJournal(folder / "runs.db")
    log = RunLog.start(journal, run_id="r")
    tasks = plan_of(Work(layered(count, 2 * count, 100)))
    asyncio.run(Executor([Tool(name="work", function=work, effect="pure")]).run(tasks, log=log))


async def resume_time(count: int, folder: Path) -> float:
    """Seconds from opening the journal to the first new call of a run that was broken off at nine tenths."""
    began, first = time.perf_counter(), 0.0

    async def work(node: int, inputs: Sequence[int]) -> int:
        nonlocal first
        first = first or time.perf_counter()
        return node

    with SqliteJournal(folder / "runs.db") as journal:
        log = RunLog.resume(journal, "r")
        outcomes = await Executor([Tool(name="work", function=work, effect="pure")]).run(log.past.plan(), log=log)
        assert len(outcomes) == count
    return first - began


async def beside(count: int, rounds: int) -> dict[str, float]:
    """Microseconds a task of runs that are written to SQLite, by runtime, in turns; medians."""
    graph = layered(count, 2 * count, 20)
    took: dict[str, list[float]] = {"agentrt": []}
    has_langgraph, has_dbos = installed()
    with tempfile.TemporaryDirectory() as folder:
        dbos = Dbos(Path(folder)) if has_dbos else None
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as fresh:
                _, seconds = await journal_cost(count, Path(fresh), width=20)
                took["agentrt"].append(seconds)
                if has_langgraph:
                    work = Work(graph)
                    took.setdefault("LangGraph", []).append(await langgraph_sqlite(work, Path(fresh)))
                    work.verify()
            if dbos is not None:
                work = Work(graph)
                took.setdefault("DBOS", []).append(await dbos.run(work))
                work.verify()
        if dbos is not None:
            dbos.close()
    return {name: median(seconds) / count * 1e6 for name, seconds in took.items()}


# Mean seconds of a call of the three tools that the DAGs of `makespan` are made of.
_TOOLS = {"short": 0.001, "middle": 0.004, "long": 0.016}


async def makespan(seed: int, order: str) -> float:
    """Seconds of a random DAG of eight layers of 16 sleeps on eight places; each task needs one of the layer before.

    Args:
        seed: of the DAG and its durations.
        order: `fifo`, `tasks` (longest path in tasks), or `learnt` (longest path in seconds that the journal learnt).
    """
    draw = random.Random(seed)
    tasks: list[Task] = []
    seconds: list[float] = []
    for node in range(128):
        tool = draw.choice([*_TOOLS])
        seconds.append(_TOOLS[tool] * draw.lognormvariate(0, 0.3))
        needs = [Ref(str(draw.randrange(node // 16 * 16 - 16, node // 16 * 16)))] if node >= 16 else []
        tasks.append(Task(str(node), tool, {"node": node, "inputs": needs}))

    async def work(node: int, inputs: Sequence[int]) -> int:
        await asyncio.sleep(seconds[node])
        return node

    executor = Executor([Tool(name=name, function=work, effect="pure") for name in _TOOLS], concurrency=8)
    journal = MemoryJournal()
    if order == "learnt":
        journal.learn({name: (1, mean) for name, mean in _TOOLS.items()})
    log = RunLog.start(journal)
    began = time.perf_counter()
    if order == "fifo":
        with patch.object(Priorities, "of", return_value=0.0):
            await executor.run(tasks, log=log)
    else:
        await executor.run(tasks, log=log)
    return time.perf_counter() - began


async def calls_made(tasks: int, different: int) -> int:
    """Calls that are made for so many tasks of which only a few differ."""
    made = 0

    async def look(x: int) -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0.001)
        return x

    executor = Executor([Tool(name="look", function=look, effect="pure")], cache=ResultCache())
    await executor.run([Task(str(n), "look", {"x": n % different}) for n in range(tasks)])
    return made


def main() -> int:
    """Measures and reports."""
    command = parser(__doc__)
    command.add_argument("--interrupted", type=Path, metavar="FOLDER", help="only break off a run with a journal there")
    parsed = command.parse_args()
    if parsed.interrupted:
        interrupted_run(_RESUMED, parsed.interrupted)
    options = options_of(parsed)
    report = Report("executor_durable", ("anyio", "langgraph", "langgraph-checkpoint-sqlite", "dbos"), options.quick)
    rounds = 3 if options.quick else 7
    costs: dict[int, float] = {}
    sizes: dict[int, int] = {}
    for count in (10_000, 20_000):
        rows: list[tuple[float, float]] = []
        bytes_written: list[int] = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(asyncio.run(journal_cost(count, Path(folder))))
                bytes_written.append(sum(file.stat().st_size for file in Path(folder).iterdir()))
        costs[count] = median((on - off) / count * 1e6 for off, on in rows)
        sizes[count] = int(median(bytes_written))
    report.add("journal: time a task, 10,000 tasks, nothing once", costs[10_000], unit="us", target=25.0)
    report.add("journal: time a task, 20,000 tasks", costs[20_000], unit="us", target=25.0)
    report.add("journal: bytes, 20,000 tasks / 10,000", sizes[20_000] / sizes[10_000], unit="x", target=2.2)
    resumes: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            breaking = [sys.executable, "-m", "benchmarks.executor_durable", "--interrupted", folder]
            assert subprocess.run(breaking, check=False).returncode == 9
            resumes.append(asyncio.run(resume_time(_RESUMED, Path(folder))))
    report.add("resume of 10,000 tasks: to the first new call", median(resumes), unit="s", target=1.0)
    orders = ("fifo", "tasks", "learnt")
    spans = [{order: asyncio.run(makespan(seed, order)) for order in orders} for seed in range(rounds * 4)]
    for order, measure in (("tasks", "in tasks"), ("learnt", "in seconds learnt")):
        gain = median(span["fifo"] / span[order] for span in spans)
        report.add(f"layered DAGs on 8 places: FIFO / longest path {measure}", gain, unit="x")
    report.add("1,000 tasks, 50 different: calls made", asyncio.run(calls_made(1_000, 50)), target=50)
    report.note("FIFO is the same executor with all priorities equal.")
    if not options.quick:
        costs_beside = asyncio.run(beside(_BESIDE, 3))
        title = f"{_BESIDE} tasks in layers of 20, written to SQLite"
        report.table(title, ["runtime", "us a task"], [[*row] for row in costs_beside.items()])
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
