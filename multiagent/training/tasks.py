"""What agents practise on: questions with answers, read from JSON files, and the conversation each is held as."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from multiagent.agent import Agent
from multiagent.conversation import UNTIL, Conversation
from multiagent.errors import TrainingError
from multiagent.formats import Format
from multiagent.metrics import METRICS, Metric
from multiagent.protocols import Debate, InfoExchange, Protocol, Solo
from multiagent.until import Until


@dataclass(frozen=True)
class Task:
    """One question.

    Attributes:
        id: unique in its set.
        question: what is asked.
        references: the right answers, any of which counts.
        contexts: what each agent knows, by name, in order; empty where all have to think and nothing is to be known.
        metric: name of the task metric.
    """

    id: str
    question: str
    references: tuple[str, ...]
    contexts: Mapping[str, tuple[str, ...]]
    metric: str = "f1"

    @property
    def measure(self) -> Metric:
        """The task metric."""
        return METRICS[self.metric]


@dataclass(frozen=True)
class Setting:
    """How tasks become conversations. Tasks with contexts are exchanges, the others debates, unless `protocol` says.

    Attributes:
        format: of the messages.
        until: when a conversation ends.
        protocol: None chooses by the task.
        sampling: of every agent.
        max_tokens: longest message.
        window: of the model, where known.
        alone: one agent with all contexts, the baseline.
    """

    format: str | Format = "plain"
    until: Until = UNTIL
    protocol: Protocol | None = None
    sampling: Mapping[str, Any] | None = None
    max_tokens: int = 192
    window: int | None = None
    alone: bool = False

    @property
    def description(self) -> str:
        """What tells settings apart: a training run goes on only with the one it was begun with."""
        form = self.format if isinstance(self.format, str) else self.format.name
        name = self.protocol.name if self.protocol is not None else "by the task"
        told = [name, form, self.until, dict(self.sampling or {}), self.max_tokens, self.window, self.alone]
        return ", ".join(map(str, told))

    def conversation(self, task: Task, form: str | Format | None = None) -> Conversation:
        """The conversation a task is held as, in another format where one is given."""
        contexts = dict(task.contexts) or {"solver": (), "critic": ()}
        if self.alone:
            contexts = {"solver": tuple(part for own in contexts.values() for part in own)}
        agents = [
            Agent(name, own, sampling=self.sampling or {}, max_tokens=self.max_tokens, window=self.window)
            for name, own in contexts.items()
        ]
        default = Solo() if len(agents) == 1 else InfoExchange(guided=False) if task.contexts else Debate()
        return Conversation(
            agents, self.protocol or default, format=form if form is not None else self.format, until=self.until
        )


def read_tasks(path: Path, *, limit: int | None = None) -> list[Task]:
    """Tasks from a JSON list: `question` and `answer`, and `agents` with their contexts where facts are split.

    A `gsm8k` answer ends in `#### 18`: such tasks are scored as numbers, all others by F1.

    Raises:
        TrainingError: the file cannot be read as such a list; the message names the place.
    """
    try:
        rows: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"tasks cannot be read from {path.name}: {error}") from error
    if not isinstance(rows, list):
        raise TrainingError(f"{path.name} must hold a JSON list of tasks")
    found = cast(list[object], rows)
    return [_task(row, at, path) for at, row in enumerate(found[:limit])]


def _task(row: object, at: int, path: Path) -> Task:
    try:
        fields = cast(dict[str, Any], row)
        answer = str(fields["answer"])
        number = answer.rsplit("####", 1)[1].strip() if "####" in answer else None
        agents = cast(Sequence[dict[str, Any]], fields.get("agents", ()))
        return Task(
            id=str(fields.get("id", f"{path.stem}-{at}")),
            question=str(fields["question"]),
            references=(number,) if number else (answer, *(str(alias) for alias in fields.get("aliases", ()))),
            contexts={str(agent["name"]): tuple(_passage(part) for part in agent["context"]) for agent in agents},
            metric="numeric" if number else "f1",
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path.name}: task {at} needs question and answer, and each of its agents a name and a context "
            f"({type(error).__name__}: {error})"
        ) from error


def _passage(part: object) -> str:
    if isinstance(part, str):
        return part
    fields = cast(dict[str, Any], part)
    return f"{fields['title']}: {fields['text']}"
