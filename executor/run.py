"""The executor: starts every task the moment it can, also while the plan is still being written.

There is no asyncio task per node. A worker runs one call after the other and goes on with what it has
just made ready; another worker is woken only while tasks are left over. Calls that never wait are thus
run by a single worker, and calls that do wait each keep one.
"""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sized
from typing import Protocol, TypeVar, cast

import anyio
import anyio.lowlevel

from executor.call import as_call_error, call
from executor.errors import PathError, TooManyTasks
from executor.events import (
    TaskAdded,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
)
from executor.limits import Limits
from executor.outcomes import Failed, Finished, Outcome, Skipped, state_of
from executor.plan import Task
from executor.refs import resolve
from executor.schedule import Schedule, State
from executor.tool import Tool, Toolset
from executor.workers import Workers

_T = TypeVar("_T")
Observer = Callable[[TaskEvent], None]
"""Called with every event, in order, inside the run: it must be quick. What it raises ends the run."""

# Calls that never wait would otherwise keep the event loop to themselves. Seconds.
_LONGEST_TURN = 0.005
# Workers woken ahead: calls that wait start this many in a turn of the event loop; calls that never wait leave
# at most this many workers with nothing to do.
_WAKING = 16


class _New(Protocol):
    def __call__(self, kind: type[_T], values: tuple[object, ...], /) -> _T: ...


# Makes a NamedTuple in half the time its own constructor takes; four are made for each task.
_new = cast(_New, tuple.__new__)  # pyright: ignore[reportUnknownMemberType]  # a tuple of anything


class Executor:
    """Runs plans against a set of tools.

    Args:
        tools: the tools plans may call.
        observe: receives every event.
        max_tasks: limit for a plan that arrives as a stream; one whose length is known may have any.
        concurrency: calls at the same time, over all tools and all runs of this executor; None for no limit.
        clock: monotonic seconds.

    Raises:
        ValueError: two tools share a name, or a limit is less than 1.
    """

    def __init__(
        self,
        tools: Iterable[Tool] | Toolset,
        *,
        observe: Observer | None = None,
        max_tasks: int = 1_000,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tools = tools if isinstance(tools, Toolset) else Toolset(tools)
        self.max_tasks = max_tasks
        self._limits = Limits(self.tools.values(), concurrency)
        self._observe = observe
        self._clock = clock

    async def run(
        self, tasks: Iterable[Task] | AsyncIterable[Task], *, prior: Mapping[str, Outcome] | None = None
    ) -> dict[str, Outcome]:
        """Runs a plan, or a stream of tasks as it is being written.

        Args:
            tasks: in any order; a task waits for what it needs.
            prior: outcomes of an earlier plan of the same question, which `tasks` may refer to.

        Returns:
            How each of `tasks` ended, by id, in the order they ended. A failing tool is an outcome.

        Raises:
            PlanError: the plan cannot be run as written; running calls have been cancelled.
            Exception: whatever the stream of tasks or the observer raised, likewise.
        """
        run = _Run(self.tools, self._limits, self._observe, self._clock, prior or {})
        return await run.complete(tasks, self.max_tasks)


class _Run:
    """The state of one plan's execution."""

    def __init__(
        self,
        tools: Toolset,
        limits: Limits,
        observe: Observer | None,
        clock: Callable[[], float],
        prior: Mapping[str, Outcome],
    ) -> None:
        self.tools = tools
        self.limits = limits
        # Functions that need no place, deadline, retry or validation, and are called straight away.
        self.direct = (
            {} if limits.any_overall else {tool.name: tool.function for tool in tools.values() if tool.is_plain}
        )
        self.observe = _ignore if observe is None else observe
        self.clock = clock
        self.schedule = Schedule({name: state_of(outcome) for name, outcome in prior.items()})
        self.values = {name: outcome.value for name, outcome in prior.items() if not isinstance(outcome, Skipped)}
        self.outcomes: dict[str, Outcome] = {}
        self.ready: deque[Task] = deque()
        self.workers = Workers(self.work)
        self.waking = 0
        self.streaming = False
        self.feeding = anyio.CancelScope()
        self.ended_by: str | None = None
        self.broken: Exception | None = None

    async def complete(self, tasks: Iterable[Task] | AsyncIterable[Task], max_tasks: int) -> dict[str, Outcome]:
        try:
            async with self.workers:
                with self.feeding:
                    if isinstance(tasks, AsyncIterable):
                        self.streaming = True
                        await self.feed_stream(tasks, max_tasks)
                    else:
                        await self.feed(tasks, None if isinstance(tasks, Sized) else max_tasks)
                if self.broken is None:
                    self.close()
        except Exception:
            if self.broken is None:
                raise
        if self.broken is not None:
            raise self.broken
        return self.outcomes

    async def feed(self, tasks: Iterable[Task], limit: int | None) -> None:
        turn_began = self.clock()
        for task in tasks:
            if limit is not None and len(self.schedule.tasks) >= limit:
                raise TooManyTasks(limit)
            if self.admit(task) - turn_began > _LONGEST_TURN:
                await anyio.lowlevel.checkpoint()
                turn_began = self.clock()

    async def feed_stream(self, tasks: AsyncIterable[Task], limit: int) -> None:
        stream = aiter(tasks)
        try:
            async for task in stream:
                if len(self.schedule.tasks) >= limit:
                    raise TooManyTasks(limit)
                self.admit(task)
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                with anyio.CancelScope(shield=True):
                    await close()

    def admit(self, task: Task) -> float:
        state = self.schedule.add(task)
        now = self.clock()
        self.observe(_new(TaskAdded, (now, task)))
        if state is State.READY:
            self.ready.append(task)
            if not self.waking:
                self.wake()
        elif state is State.SKIPPED:
            because = next(need for need in (*task.needs, *task.mentions) if self.schedule.has_no_value(need))
            self.skip([task.id, *self.schedule.skip(task.id)], because)
        return now

    def close(self) -> None:
        ready, unresolved = self.schedule.close()
        self.ready.extend(self.schedule.tasks[name] for name in ready)
        for name, error in unresolved.items():
            if self.ended_by is None:
                self.fail(self.schedule.tasks[name], error, self.clock())
            else:  # what it needs may only have been cut off
                self.skip([name, *self.schedule.skip(name)], self.ended_by)
        if self.ready and not self.waking:
            self.wake()

    def wake(self) -> None:
        self.waking += 1
        self.workers.start()

    async def work(self) -> None:
        self.waking -= 1
        ready, workers, direct = self.ready, self.workers, self.direct
        clock, observe, schedule, tasks = self.clock, self.observe, self.schedule, self.schedule.tasks
        turn_began = ended = clock()
        try:
            while ready and not workers.cancelled:
                task = ready.popleft()
                while self.waking < len(ready) and self.waking < _WAKING:
                    self.wake()
                if self.ended_by is not None:
                    self.skip([task.id, *schedule.skip(task.id)], self.ended_by)
                    continue
                started = ended  # it goes on at once with what the last call made ready
                arguments = task.args
                if task.dynamic:
                    try:
                        arguments = self.arguments(task)
                    except Exception as error:
                        ended = self.fail(task, error, started)
                        continue
                function = direct.get(task.call)
                if function is not None:
                    observe(_new(TaskStarted, (started, task.id)))
                try:
                    if function is not None:
                        value = await function(**arguments)
                    else:
                        started, value = await self.call(task, arguments)
                except (Exception, SystemExit) as error:  # a tool is a stranger's code: what it raises is an outcome
                    ended = self.fail(task, error, started)
                except CancelledError as error:
                    if workers.cancelled:
                        raise
                    # The tool raised this by itself: nobody cancelled it.
                    ended = self.fail(task, RuntimeError(f"{task.call} cancelled itself ({error!r})"), started)
                else:
                    ended = clock()
                    self.outcomes[task.id] = _new(Finished, (value, started, ended))
                    self.values[task.id] = value
                    observe(_new(TaskFinished, (ended, task.id, value)))
                    for name in schedule.finish(task.id):
                        ready.append(tasks[name])
                    if ended - turn_began > _LONGEST_TURN:
                        await anyio.lowlevel.checkpoint()
                        turn_began = ended = clock()
        except _ObserverRaised as raised:
            self.stop(raised.error)
        except Exception as error:  # the observer's: a tool's has become an outcome
            self.stop(error)

    def stop(self, error: Exception) -> None:
        if self.broken is None:
            self.broken = error
        self.feeding.cancel()
        self.workers.cancel()

    async def call(self, task: Task, arguments: Mapping[str, object]) -> tuple[float, object]:
        tool = self.tools.find(task.call, task=task.id)
        async with self.limits.place(tool):
            started = self.clock()
            self.observe_call(TaskStarted(started, task.id))

            def on_retry(attempt: int, wait: float, error: Exception) -> None:
                self.observe_call(TaskRetried(self.clock(), task.id, attempt, wait, str(error)))

            return started, await call(tool, task.id, arguments, on_retry)

    def observe_call(self, event: TaskEvent) -> None:
        # Inside a call every exception would be taken for the tool's.
        try:
            self.observe(event)
        except Exception as error:
            raise _ObserverRaised(error) from error

    def arguments(self, task: Task) -> dict[str, object]:
        arguments = dict(task.args)
        try:
            for name in task.dynamic:
                arguments[name] = resolve(arguments[name], self.values)
        except LookupError as error:
            raise PathError(f"task {task.id}: {error}", task=task.id) from error
        return arguments

    def fail(self, task: Task, error: BaseException, started: float) -> float:
        reason = as_call_error(error, task.call, task.id)
        ended = self.clock()
        tool = self.tools.get(task.call)
        policy = task.on_error or (tool.on_error if tool is not None else "skip")
        outcome = Failed(reason, started, ended, handled=policy == "continue")
        self.outcomes[task.id] = outcome
        self.observe(TaskFailed(ended, task.id, str(reason)))
        if policy == "continue":
            self.values[task.id] = outcome.value
            self.ready.extend(self.schedule.tasks[name] for name in self.schedule.finish(task.id))
            return ended
        self.skip(self.schedule.fail(task.id), task.id)
        if policy == "fail" and self.ended_by is None:
            self.ended_by = task.id
            if self.streaming:
                self.feeding.cancel()
        return ended

    def skip(self, names: Iterable[str], because: str) -> None:
        for name in names:
            self.outcomes[name] = Skipped(because)
            self.observe(TaskSkipped(self.clock(), name, because))


class _ObserverRaised(BaseException):
    """Carries an observer's exception past the handlers that are meant for tools."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _ignore(_: TaskEvent) -> None:
    pass
