"""Gold plans streamed at a fixed rate, in pieces that are cut as awkwardly as can be, against the streamed ideal."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from statistics import fmean

import anyio

from benchmarks.planner.nestful import DATA, SETS, Question, questions_of, tools_of
from benchmarks.report import Report
from executor import Executor, Outcome, Parameter, Signature, Task, Tool, Toolset
from planner import LLMPlanner, as_lines
from planner.testing import ScriptedChatModel

RATE = 40.0
"""Tokens a second; a token is four characters here."""
LATENCY = 0.2
ABREAST = 4


class At:
    """A gate of a scripted reply that opens at a time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def wait(self) -> None:
        await anyio.sleep_until(anyio.current_time() + max(0.0, self.seconds - time.monotonic()))


class Anything(Mapping[str, object]):
    """A result that has every field."""

    def __getitem__(self, key: str) -> object:
        return Anything()

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


async def replay(report: Report, *, most: int) -> None:
    """Adds the mean and the worst ratio of measured time to the streamed critical path."""
    questions = [q for source in SETS for q in questions_of(source, tools_of(source)) if not q.defect]
    ratios: list[float] = []
    places = anyio.CapacityLimiter(ABREAST)

    async def one(question: Question, seed: int) -> None:
        async with places:
            measured, ideal = await _run(question.gold, random.Random(seed))
            ratios.append(measured / ideal)

    async with anyio.create_task_group() as group:
        for seed, question in enumerate(questions[:: max(1, len(questions) // most)][:most]):
            group.start_soon(one, question, seed)
    report.add("replay: time / streamed critical path, mean", fmean(ratios), unit="x", target=1.01)
    report.add("replay: time / streamed critical path, worst", max(ratios), unit="x", target=1.03)
    report.note(
        f"Replay: {len(ratios)} NESTFUL gold plans through planner and executor, {RATE:g} tokens a second of four "
        f"characters, in random pieces of 1 to 60 characters that arrive with their last token; calls sleep for a "
        f"log-normal time, median {LATENCY} s; {ABREAST} plans at a time. The critical path counts a task "
        "as ready when the piece with its closing parenthesis has arrived and all it needs has ended."
    )


async def _run(gold: Sequence[Task], chance: random.Random) -> tuple[float, float]:
    takes = {task.id: LATENCY * math.exp(chance.gauss(0, 0.5)) for task in gold}
    tools = _sleeping(gold)
    text = as_lines(gold, tools) + f"\n{len(gold) + 1}. join()"
    pieces: list[tuple[float, str]] = []
    at = 0
    while at < len(text):
        size = chance.choice([1, 2, 3, 7, 20, 60])
        at = min(len(text), at + size)
        pieces.append((at / 4 / RATE, text[sum(len(piece) for _, piece in pieces) : at]))
    ideal = _critical_path(gold, tools, pieces, takes)
    waits = dict(takes)

    began = time.monotonic()
    reply: list[object] = []
    for seconds, piece in pieces:
        reply += [At(began + seconds), piece]
    model = ScriptedChatModel(replies=[reply])
    stream = LLMPlanner(model, tools).plan("replay")
    executor = Executor(_with_times(tools, gold, waits))
    async with aclosing(stream):
        await executor.run(stream)
    return time.monotonic() - began, ideal


def _critical_path(
    gold: Sequence[Task], tools: Toolset, pieces: Sequence[tuple[float, str]], takes: Mapping[str, float]
) -> float:
    ended: dict[str, float] = {}
    written = 0
    for task in gold:
        line = as_lines([task], tools)
        closed = written + len(line)
        written += len(line) + 1
        reached = 0
        arrived = pieces[-1][0]
        for seconds, piece in pieces:
            reached += len(piece)
            if reached >= closed:
                arrived = seconds
                break
        ended[task.id] = max([arrived, *(ended[need] for need in task.needs)]) + takes[task.id]
    return max([pieces[-1][0], *ended.values()])


def _sleeping(gold: Sequence[Task]) -> Toolset:
    names = {task.call: dict.fromkeys(task.args) for task in gold}
    for task in gold:
        names[task.call] |= dict.fromkeys(task.args)

    async def nothing(**_: object) -> Outcome | None:
        return None

    return Toolset(
        Tool(
            name=name,
            function=nothing,
            signature=Signature((Parameter(one, {}, False) for one in parameters), open=True),
            effect="pure",
        )
        for name, parameters in names.items()
    )


def _with_times(tools: Toolset, gold: Sequence[Task], takes: Mapping[str, float]) -> Toolset:
    """The tools with a function that sleeps as long as its task should: told apart by the context."""
    from executor import ToolContext

    async def call(_context: ToolContext, **_: object) -> object:
        await anyio.sleep(takes[_context.task])
        return Anything()

    return Toolset(
        Tool(name=name, function=call, signature=tool.signature, effect="pure", context="_context")
        for name, tool in tools.items()
    )


def movie_plans() -> list[list[Task]]:
    """The Movie questions' plans: one look-up for each film and option."""
    plans: list[list[Task]] = []
    for item in json.loads((DATA / "movie_recommendations_formatted.json").read_text(encoding="utf-8")):
        asked, _, options = item["question"].partition("\nOptions:\n")
        titles = [*asked.removeprefix("Find a movie similar to ").split(", "), *options.strip().split("\n")]
        plans.append([Task(str(at), "film", {"title": title}) for at, title in enumerate(titles, 1)])
    return plans
