"""Cancellation: what is asked to stop stops, cleans up in peace, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Executor, Failed, Finished, Ref, Retry, Task, TaskEvent, TaskStarted, Tool


@contextmanager
def nothing_left_running() -> Generator[None]:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() - before == set()


class Cleaning:
    """A tool that says when it runs, waits for ever, and takes its time to clean up."""

    def __init__(self) -> None:
        self.running = 0
        self.cleaned = 0
        self.all_running = anyio.Event()
        self.expected = 1

    async def __call__(self) -> None:
        self.running += 1
        if self.running == self.expected:
            self.all_running.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
                self.cleaned += 1


def cleaning(count: int, **limits: object) -> tuple[Cleaning, Executor, list[Task]]:
    function = Cleaning()
    function.expected = count
    tool = Tool(name="hang", function=function, **limits)  # pyright: ignore[reportArgumentType]  # limits of a Tool
    return function, Executor([tool]), [Task(str(n), "hang") for n in range(count)]


async def by_scope(run: Callable[[], Coroutine[Any, Any, object]], when: anyio.Event) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await when.wait()
        group.cancel_scope.cancel()


async def by_asyncio(run: Callable[[], Awaitable[object]], when: anyio.Event) -> None:
    running = asyncio.ensure_future(run())
    await when.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def by_asyncio_twice(run: Callable[[], Awaitable[object]], when: anyio.Event) -> None:
    running = asyncio.ensure_future(run())
    await when.wait()
    running.cancel()
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


WAYS = [by_scope, by_asyncio, by_asyncio_twice]


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", WAYS)
@pytest.mark.parametrize("limits", [{}, {"timeout": 60.0}, {"retry": Retry(wait=0)}, {"concurrency": 99}])
async def test_every_call_is_cancelled_and_may_clean_up_behind_a_shield(
    cancel: Callable[..., Awaitable[None]], limits: dict[str, object]
) -> None:
    function, executor, plan = cleaning(20, **limits)
    with nothing_left_running(), anyio.fail_after(10):
        await cancel(lambda: executor.run(plan), function.all_running)
        assert function.cleaned == 20


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", WAYS)
async def test_a_call_that_swallows_a_cancellation_is_cancelled_again(cancel: Callable[..., Awaitable[None]]) -> None:
    swallowed = 0
    running = anyio.Event()

    async def stubborn() -> str:
        nonlocal swallowed
        running.set()
        while swallowed < 3:
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                swallowed += 1
        return "gave in"

    executor = Executor([Tool(name="stubborn", function=stubborn)])
    with nothing_left_running(), anyio.fail_after(10):
        await cancel(lambda: executor.run([Task("1", "stubborn"), Task("2", "stubborn", after=("1",))]), running)
    assert swallowed == 3


@pytest.mark.asyncio
async def test_a_shield_that_is_already_up_keeps_cancellation_out() -> None:
    order: list[str] = []
    running = anyio.Event()
    release = anyio.Event()

    async def commit() -> None:
        with anyio.CancelScope(shield=True):
            running.set()
            await release.wait()
            order.append("committed")
        await anyio.lowlevel.checkpoint()
        order.append("never")

    async def cancel(group: anyio.abc.TaskGroup) -> None:
        await running.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
        order.append("released")
        release.set()

    executor = Executor([Tool(name="commit", function=commit)])
    with nothing_left_running(), anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(cancel, group)
            await executor.run([Task("1", "commit")])
    assert order == ["released", "committed"]


@pytest.mark.asyncio
async def test_nothing_begins_once_the_run_is_cancelled() -> None:
    """Workers that were woken but have not begun must not call anything, nor may one that gives in late."""
    calls: list[str] = []
    release = anyio.Event()

    async def first() -> None:
        calls.append("first")
        with anyio.CancelScope(shield=True):
            await release.wait()

    async def other() -> None:
        calls.append("other")

    tools = [Tool(name="first", function=first), Tool(name="other", function=other)]
    plan = [Task("1", "first"), *(Task(str(n), "other", after=("1",)) for n in range(2, 50))]
    with nothing_left_running(), anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(Executor(tools).run, plan)
            while not calls:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
            release.set()
    assert calls == ["first"]


@pytest.mark.asyncio
async def test_a_deadline_around_the_run_stops_it() -> None:
    function, executor, plan = cleaning(3)
    with nothing_left_running(), anyio.move_on_after(0.01) as scope:
        await executor.run(plan)
    assert scope.cancelled_caught
    assert function.cleaned == 3


@pytest.mark.asyncio
async def test_cancelling_closes_the_stream() -> None:
    closed = anyio.Event()
    reading = anyio.Event()

    async def lines() -> AsyncIterator[Task]:
        try:
            yield Task("1", "hang")
            reading.set()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            closed.set()

    function, executor, _ = cleaning(1)
    with nothing_left_running(), anyio.fail_after(10):
        await by_scope(lambda: executor.run(lines()), reading)
    assert closed.is_set()
    assert function.cleaned == function.running


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [False, True])
async def test_a_tool_that_cancels_itself_is_a_failed_task(native: bool) -> None:
    async def suicidal() -> None:
        if native:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        raise asyncio.CancelledError("enough")

    async def echo() -> str:
        return "fine"

    tools = [Tool(name="suicidal", function=suicidal), Tool(name="echo", function=echo)]
    plan = [Task("1", "suicidal"), Task("2", "echo"), Task("3", "echo", {"x": Ref("1")})]
    with nothing_left_running(), anyio.fail_after(10):
        outcomes = await Executor(tools).run(plan)
    failed = outcomes["1"]
    assert isinstance(failed, Failed) and "suicidal cancelled itself" in str(failed.error)
    assert isinstance(outcomes["2"], Finished)


@pytest.mark.asyncio
async def test_cancelling_a_group_inside_a_tool_is_the_tools_own_affair() -> None:
    async def inner() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            group.cancel_scope.cancel()
        return "done"

    with nothing_left_running(), anyio.fail_after(10):
        outcomes = await Executor([Tool(name="inner", function=inner)]).run([Task("1", "inner")])
    done = outcomes["1"]
    assert isinstance(done, Finished) and done.value == "done"


@settings(max_examples=60)
@given(cancel_at=st.integers(0, 60), again_after=st.integers(0, 3), native=st.booleans())
def test_a_run_cancelled_at_any_moment_and_once_more_leaves_nothing(
    cancel_at: int, again_after: int, native: bool
) -> None:
    """Layers of calls that wait a few turns each; cancelled after any number of turns, twice."""

    async def hop() -> None:
        nonlocal active
        active += 1
        try:
            for _ in range(3):
                await asyncio.sleep(0)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            active -= 1

    async def lines() -> AsyncIterator[Task]:
        for layer in range(5):
            for n in range(5):
                needs = tuple(f"{layer - 1}-{m}" for m in range(5)) if layer else ()
                yield Task(f"{layer}-{n}", "hop", after=needs)
            await asyncio.sleep(0)

    async def scenario() -> None:
        before = asyncio.all_tasks()
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await Executor([Tool(name="hop", function=hop)]).run(lines())

        running = asyncio.ensure_future(run())
        for _ in range(cancel_at):
            await asyncio.sleep(0)
        _ = running.cancel() if native else scope.cancel()
        for _ in range(again_after):
            await asyncio.sleep(0)
        running.cancel()
        with anyio.fail_after(10):
            await asyncio.wait([running])
        assert running.cancelled() or running.exception() is None
        assert asyncio.all_tasks() - before - {running} == set()
        assert active == 0

    active = 0
    asyncio.run(scenario())


@pytest.mark.asyncio
async def test_interrupting_the_event_loop_ends_the_run() -> None:
    """What `asyncio.run` does on Ctrl-C: it cancels every task there is, ours included."""
    function, executor, plan = cleaning(5)
    events: list[TaskEvent] = []
    executor = Executor([*executor.tools.values()], observe=events.append)
    running = asyncio.ensure_future(executor.run(plan))
    with anyio.fail_after(10):
        await function.all_running.wait()
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert function.cleaned == 5
    assert len([event for event in events if isinstance(event, TaskStarted)]) == 5
