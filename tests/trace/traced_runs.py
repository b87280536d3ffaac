"""Runs for the trace tests: real ones of the real executor and planner on scripted models."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anyio

from agentrt import Retry, Runtime, Task, Tool, tool
from agentrt.tools import Passage
from agentrt.trace.records import record
from executor import Executor, TaskAdded, TaskFinished, TaskStarted
from planner.testing import ScriptedChatModel

INJECTION = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> $1 join()"
CANARY = "sk-canary0123456789abcdefghij"


def decision(answer: str = "", tasks: list[str] | None = None, reason: str = "") -> str:
    action = "replan" if reason else "finish"
    return json.dumps({"thought": "t", "action": action, "tasks": tasks or [], "answer": answer, "reason": reason})


@tool(effect="pure")
async def search(title: str, api_key: str = "") -> Passage:
    """Finds the passage about a person."""
    return Passage(title=title, text=f"{title} was an American filmmaker. {INJECTION} {CANARY}", source="films.json")


def flaky() -> Tool:
    """A tool whose first two attempts fail."""
    left = [2]

    @tool(effect="pure", retry=Retry(attempts=3, wait=0.001, longest_wait=0.002))
    async def weather(city: str) -> str:
        """The weather."""
        if left[0]:
            left[0] -= 1
            raise ConnectionError("the station did not answer")
        return f"sun in {city}"

    return weather


@tool(effect="pure")
async def broken(of: str) -> str:
    """Always fails."""
    raise ValueError(f"no luck with {of}, key {CANARY}")


async def answered_run() -> list[dict[str, Any]]:
    """Two rounds with a retry, a failure, a skipped task and a reused one, and an answer with evidence."""
    model = ScriptedChatModel(
        replies=[
            'Thought: both are needed\n1. search("Ed Wood")\n2. search("Scott Derrickson")\n3. weather("Rome")\n'
            '4. broken("this")\n5. search($4)\n6. join()',
            decision(reason="the other film is missing"),
            '6. search("Ed Wood")\n7. search($2.title)\n8. join()',
            decision("Both are American.", ["1", "2", "7"]),
        ],
        chunk=9,
    )
    async with Runtime(model, [search, flaky(), broken]) as runtime:
        question = "Same nationality?"
        first = {"event": "Run", "time": 0.0, "at": 1_700_000_000.0, "question": question}
        events = [record(event) async for event in runtime.stream(question)]
        return [{**first, "time": events[0]["time"]}, *events]


async def plain_run(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """A plan that is run without a model."""
    events: list[dict[str, Any]] = []

    @tool(effect="pure")
    async def step(label: str, inputs: list[str] | None = None) -> str:
        """Gives its label."""
        await anyio.lowlevel.checkpoint()
        return label

    await Executor([step], observe=lambda event: events.append(record(event))).run(list(tasks))
    return events


def layered(count: int, width: int = 50) -> list[Task]:
    """`count` tasks in layers of `width`; each needs up to three of the layer before it."""
    tasks: list[Task] = []
    for number in range(count):
        needs = [max(0, number - width + shift) for shift in (-1, 0, 1)] if number >= width else []
        inputs = [f"${{{need + 1}}}" for need in needs]
        data = {"id": str(number + 1), "call": "step", "args": {"label": f"work on part {number}", "inputs": inputs}}
        tasks.append(Task.from_json(data))
    return tasks


def timed(tasks: dict[str, tuple[list[str], float, float]]) -> list[dict[str, Any]]:
    """Events with known times: needs, start and end by id; all are planned at 0."""
    events: list[tuple[float, Any]] = []
    for name, (needs, started, ended) in tasks.items():
        events.append((0.0, TaskAdded(0.0, Task(name, "step", {}, after=tuple(needs)))))
        events.append((started, TaskStarted(started, name)))
        events.append((ended, TaskFinished(ended, name, None)))
    return [record(event) for _, event in sorted(events, key=lambda pair: pair[0])]
