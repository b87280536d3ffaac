"""Concurrency limits hold at every moment, and what waits for a place keeps nobody else from running."""

from __future__ import annotations

import asyncio
from collections import Counter

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Executor, Finished, Task, TaskEvent, TaskStarted, Tool


class Crowd:
    """Counts how many calls of each tool run at the same time."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_together = 0

    def tool(self, name: str, limit: int | None) -> Tool:
        async def call(turns: int) -> None:
            self.now[name] += 1
            self.most[name] = max(self.most[name], self.now[name])
            self.most_together = max(self.most_together, self.now.total())
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                self.now[name] -= 1

        return Tool(name=name, function=call, concurrency=limit)


limits = st.none() | st.integers(1, 4)


@settings(max_examples=60)
@given(
    tools=st.lists(limits, min_size=1, max_size=3),
    overall=limits,
    calls=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=30),
    runs=st.integers(1, 3),
)
def test_limits_are_reached_and_never_exceeded(
    tools: list[int | None], overall: int | None, calls: list[tuple[int, int]], runs: int
) -> None:
    crowd = Crowd()

    async def scenario() -> None:
        executor = Executor([crowd.tool(str(n), limit) for n, limit in enumerate(tools)], concurrency=overall)
        plan = [Task(str(n), str(which % len(tools)), {"turns": t}) for n, (which, t) in enumerate(calls)]

        async def run() -> None:
            outcomes = await executor.run(plan)
            assert len(outcomes) == len(plan)
            assert all(isinstance(outcome, Finished) for outcome in outcomes.values())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(runs):
                    group.start_soon(run)

    asyncio.run(scenario())
    for name, limit in enumerate(tools):
        assert limit is None or crowd.most[str(name)] <= limit
    assert overall is None or crowd.most_together <= overall
    assert crowd.now.total() == 0


@pytest.mark.asyncio
async def test_a_full_tool_keeps_no_other_from_running() -> None:
    release = anyio.Event()
    other = anyio.Event()

    async def wait() -> None:
        await release.wait()

    async def free() -> None:
        other.set()

    tools = [Tool(name="wait", function=wait, concurrency=1), Tool(name="free", function=free)]
    async with anyio.create_task_group() as group:
        group.start_soon(
            Executor(tools, concurrency=2).run, [*(Task(str(n), "wait") for n in range(9)), Task("x", "free")]
        )
        with anyio.fail_after(10):
            await other.wait()
        release.set()


@pytest.mark.asyncio
async def test_a_task_has_started_only_once_it_has_a_place() -> None:
    release = anyio.Event()
    events: list[TaskEvent] = []

    async def wait() -> None:
        await release.wait()

    executor = Executor([Tool(name="wait", function=wait, concurrency=2)], observe=events.append)
    async with anyio.create_task_group() as group:
        group.start_soon(executor.run, [Task(str(n), "wait") for n in range(5)])
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert [event.id for event in events if isinstance(event, TaskStarted)] == ["0", "1"]
        release.set()


@pytest.mark.asyncio
async def test_places_are_given_back_by_calls_that_fail_or_are_cancelled() -> None:
    async def fail() -> None:
        raise ValueError

    async def hang() -> None:
        running.set()
        await anyio.sleep_forever()

    async def echo() -> str:
        return "x"

    running = anyio.Event()
    tools = [Tool(name=f.__name__, function=f, concurrency=1) for f in (fail, hang, echo)]
    executor = Executor(tools, concurrency=1)
    await executor.run([Task(str(n), "fail") for n in range(3)])
    async with anyio.create_task_group() as group:
        group.start_soon(executor.run, [Task(str(n), "hang") for n in range(3)])
        await running.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(10):
        outcomes = await executor.run([Task("1", "echo")])
    assert isinstance(outcomes["1"], Finished)
