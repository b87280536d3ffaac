"""Holds the conversations that are missing and keeps each as it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from agentrt.serving import open_model
from benchmarks.optima.arms import Arm
from multiagent import MultiagentError
from multiagent.training import Task

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

TOGETHER = 4
"""Questions held at once: what two cores can batch."""


@dataclass(frozen=True)
class Row:
    """One conversation. `seconds` is wall time with up to `TOGETHER` questions at once."""

    model: str
    dataset: str
    arm: str
    task: str
    score: float
    tokens: int
    turns: int
    seconds: float
    stop: str
    answer: str | None


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


async def measure(
    model: str,
    tasks: Mapping[str, Sequence[Task]],
    arms: Mapping[str, Mapping[str, Arm]],
    cache: Cache,
    until: float,
) -> None:
    """Holds what is missing, question group by question group, all arms of a group one after the other."""
    missing = [
        (dataset, arm, task)
        for dataset, questions in tasks.items()
        for at in range(0, len(questions), TOGETHER)
        for arm in arms[dataset]
        for task in questions[at : at + TOGETHER]
        if (dataset, arm, task.id) not in cache.rows
    ]
    if not missing:
        return
    async with open_model(model) as speaker:
        for at in range(0, len(missing), TOGETHER):
            async with anyio.create_task_group() as group:
                for dataset, arm, task in missing[at : at + TOGETHER]:
                    if time.monotonic() < until:
                        group.start_soon(_one, dataset, arm, task, arms[dataset][arm], speaker, cache)


async def _one(dataset: str, arm: str, task: Task, answer: Arm, model: BaseChatModel, cache: Cache) -> None:
    began = time.monotonic()
    try:
        outcome = await answer(task, model)
    except MultiagentError as error:
        print(f"{dataset}, {arm}, {task.id}: {error}")
        return
    cache.add(
        Row(
            model=cache.model,
            dataset=dataset,
            arm=arm,
            task=task.id,
            score=task.measure(outcome.answer, task.references),
            tokens=outcome.tokens,
            turns=outcome.turns,
            seconds=time.monotonic() - began,
            stop=outcome.stop,
            answer=outcome.answer,
        )
    )
