"""Holds the conversations that are missing and keeps each as it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from agentrt.serving import CATALOGUE, Off, lookup, open_model
from benchmarks.optima.arms import Arm
from multiagent import MultiagentError
from multiagent.training import Task

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from langchain_core.language_models import BaseChatModel

TOGETHER = 12
"""Conversations held at once, so that the server has a batch to work on at any time."""

AIMED = ("exchange, plain", "exchange, compact", "debate, plain", "debate, compact")
"""The arms with a target."""

SELDOM = 4
"""How much later the arms without a target come."""


@dataclass(frozen=True)
class Row:
    """One conversation. `seconds` is wall time while up to `TOGETHER` conversations shared the server."""

    model: str
    dataset: str
    arm: str
    task: str
    score: float
    tokens: int
    prompt: int
    turns: int
    seconds: float
    stop: str
    answer: str | None
    transcript: str


class Cache:
    """What was held, a line of JSON each; a line that was cut off by a kill is passed over."""

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self.model = model
        self.rows: dict[tuple[str, str, str], Row] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = Row(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                if row.model == model:
                    self.rows[row.dataset, row.arm, row.task] = row

    def add(self, row: Row) -> None:
        """Keeps a row."""
        self.rows[row.dataset, row.arm, row.task] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")


Missing = tuple[str, str, Task]


def missing_from(
    cache: Cache, tasks: Mapping[str, Sequence[Task]], arms: Mapping[str, Mapping[str, Arm]]
) -> list[Missing]:
    """What was not held yet, in the order of holding it: question by question, the data sets in turn.

    The arms with a target to meet are held on more questions where time is short: the others come `SELDOM` times as
    late. Arms of one place meet the same load, and their prompts, which begin alike, come together.
    """
    found = [
        (at if arm in AIMED else SELDOM * at, (dataset, arm, task))
        for dataset, questions in tasks.items()
        for arm in arms[dataset]
        for at, task in enumerate(questions)
        if (dataset, arm, task.id) not in cache.rows
    ]
    return [one for _, one in sorted(found, key=lambda placed: placed[0])]


async def measure(
    model: str,
    tasks: Mapping[str, Sequence[Task]],
    arms: Mapping[str, Mapping[str, Arm]],
    cache: Cache,
    until: float,
) -> None:
    """Holds what is missing, up to `TOGETHER` conversations at once; none is begun after `until` (monotonic)."""
    missing = missing_from(cache, tasks, arms)
    if not missing:
        return
    limiter = anyio.CapacityLimiter(TOGETHER)

    async def one(dataset: str, arm: str, task: Task, speaker: BaseChatModel) -> None:
        async with limiter:
            if time.monotonic() < until:
                await _hold(dataset, arm, task, arms[dataset][arm], speaker, cache)

    async with open_throughput(model) as speaker, anyio.create_task_group() as group:
        for dataset, arm, task in missing:
            group.start_soon(one, dataset, arm, task, speaker)


def open_throughput(model: str) -> AbstractAsyncContextManager[BaseChatModel]:
    """Opens a model without speculative decoding, which costs throughput where many conversations run at once."""
    if model not in CATALOGUE:
        return open_model(model)
    from agentrt.serving.defaults import serving_defaults
    from agentrt.serving.probe import default_device

    settings = serving_defaults(lookup(model), default_device()).settings
    return open_model(model, settings=replace(settings, speculation=Off(), kv_cache_gib=2))


async def _hold(dataset: str, arm: str, task: Task, answer: Arm, model: BaseChatModel, cache: Cache) -> None:
    began = time.monotonic()
    try:
        outcome = await answer(task, model)
    except MultiagentError as error:
        print(f"{dataset}, {arm}, {task.id}: {error}")
        return
    fields: dict[str, Any] = asdict(outcome)
    cache.add(
        Row(
            model=cache.model,
            dataset=dataset,
            arm=arm,
            task=task.id,
            score=task.measure(outcome.answer, task.references),
            seconds=time.monotonic() - began,
            **fields,
        )
    )
