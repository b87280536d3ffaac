"""One plan while it runs: the hot loop.

There is no asyncio task per node. A worker runs one call after the other and goes on with what it has just
made ready; another worker is woken only while tasks are left over. Calls that never wait are thus
run by a single worker, and calls that do wait each keep one.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sized
from typing import Protocol, TypeVar, cast

import anyio
import anyio.lowlevel

from executor.call import as_call_error
from executor.errors import PathError, TooManyTasks
from executor.events import TaskAdded, TaskEvent, TaskFailed, TaskFinished, TaskSkipped, TaskStarted
from executor.outcomes import Failed, Finished, Outcome, Skipped, state_of
from executor.plan import Task
from executor.refs import resolve
from executor.schedule import Schedule, State
from executor.steps import Means, ObserverRaised, Steps
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


class Running:
    """The state of one plan's execution.

    Args:
        means: what calls are made with.
        observe: receives every event.
        prior: outcomes of earlier plans.
    """

    def __init__(self, means: Means, observe: Observer | None, prior: Mapping[str, Outcome]) -> None:
        self.means = means
        self.tools = means.tools
        self.clock = means.clock
        self.prior = prior
        self.steps = Steps(means, self)
        # Functions that need no place, deadline, retry or validation, and are called straight away.
        self.direct = self.steps.direct()
        self.observe = self.steps.recorded(observe)
        self.schedule = Schedule({name: state_of(outcome) for name, outcome in prior.items()})
        self.values = {name: outcome.value for name, outcome in prior.items() if not isinstance(outcome, Skipped)}
        self.outcomes: dict[str, Outcome] = {}
        self.ready: deque[Task] = deque()
        self.workers = Workers(self.work)
        self.waking = 0
        # Workers that only wait: for a person, or for other tasks of this run.
        self.passive = 0
        # Tasks whose `when` did not hold: there is nothing to refer to.
        self.void: set[str] = set()
        self.feeding = anyio.CancelScope()
        self.streaming = False
        self.fed = False
        self.ended_by: str | None = None
        self.broken: Exception | None = None

    async def complete(self, tasks: Iterable[Task] | AsyncIterable[Task], max_tasks: int) -> dict[str, Outcome]:
        """Runs `tasks` to their end. Raises what stopped the run, if something did."""
        try:
            async with self.workers:
                with self.feeding:
                    if isinstance(tasks, AsyncIterable):
                        self.streaming = True
                        account = self.means.account
                        if account is not None and (left := account.seconds_left) is not None:
                            self.feeding.deadline = anyio.current_time() + left
                        await self.feed_stream(tasks, max_tasks)
                    else:
                        if isinstance(tasks, Sized):
                            self.steps.weigh(cast("Iterable[Task]", tasks))
                        await self.feed(tasks, None if isinstance(tasks, Sized) else max_tasks)
                self.fed = True
                if self.broken is None:
                    self.close()
                    self.park_if_stuck()
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
        """Adds a task, and starts it if it can."""
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
        if self.means.log is not None:
            self.means.log.note("PlanClosed")
        if self.ready and not self.waking:
            self.wake()

    def wake(self) -> None:
        """Starts one more worker."""
        self.waking += 1
        self.workers.start()

    async def work(self) -> None:
        """A worker's whole life."""
        self.waking -= 1
        ready, workers, direct, void = self.ready, self.workers, self.direct, self.void
        clock, observe, schedule, tasks = self.clock, self.observe, self.schedule, self.schedule.tasks
        # Where calls wait for a place, the tasks made ready last must be among those who ask for it.
        push = ready.append if self.steps.priorities is None else ready.appendleft
        turn_began = ended = clock()
        try:
            while ready and not workers.cancelled:
                task = ready.popleft()
                while self.waking < len(ready) and self.waking < _WAKING:
                    self.wake()
                if self.ended_by is not None:
                    self.skip([task.id, *schedule.skip(task.id)], self.ended_by)
                    continue
                if void and (gone := self.refers_to_void(task)) is not None:
                    self.skip([task.id, *schedule.skip(task.id)], gone)
                    continue
                started = ended  # it goes on at once with what the last call made ready
                special = task.special
                function = None if special else direct.get(task.call)
                arguments = task.args
                if function is not None:
                    if task.dynamic:
                        try:
                            arguments = self.arguments(task)
                        except Exception as error:
                            ended = self.fail(task, error, started)
                            continue
                    observe(_new(TaskStarted, (started, task.id)))
                try:
                    if function is not None:
                        value = await function(**arguments)
                    else:
                        performed = await self.steps.perform(task)
                        if performed is None:
                            ended = clock()
                            continue
                        started, value = performed
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
                        push(tasks[name])
                    if special:
                        self.steps.element_ended(task.id)
                    if ended - turn_began > _LONGEST_TURN:
                        await anyio.lowlevel.checkpoint()
                        turn_began = ended = clock()
        except ObserverRaised as raised:
            self.stop(raised.error)
        except Exception as error:  # the observer's: a tool's has become an outcome
            self.stop(error)
        finally:
            if self.passive and not workers.cancelled:
                asyncio.get_running_loop().call_soon(self.park_if_stuck)

    def stop(self, error: Exception) -> None:
        """Ends the run with `error`."""
        if self.broken is None:
            self.broken = error
        self.feeding.cancel()
        self.workers.cancel()

    def park_if_stuck(self) -> None:
        """Ends the run where nothing is left to do but what waits for a person."""
        if self.passive and self.fed and not self.ready and self.workers.live <= self.passive and self.broken is None:
            self.steps.park()

    def arguments(self, task: Task, also: Mapping[str, object] | None = None) -> dict[str, object]:
        """The task's arguments with every reference replaced. Raises PathError."""
        arguments = dict(task.args)
        values = self.values if also is None else {**self.values, **also}
        try:
            for name in task.dynamic:
                arguments[name] = resolve(arguments[name], values)
        except LookupError as error:
            raise PathError(f"task {task.id}: {error}", task=task.id) from error
        return arguments

    def refers_to_void(self, task: Task) -> str | None:
        """A task that was left out although `task` needs its result, if there is one."""
        after = task.after
        for name in (*task.needs, *task.mentions):
            if name in self.void and (name not in after or name in self.steps.used(task)):
                return name
        return None

    def take(self, task: Task, end: Finished) -> None:
        """Ends a task as it ended before, with the times of then."""
        self.outcomes[task.id] = end
        self.values[task.id] = end.value
        self.observe(TaskFinished(end.ended, task.id, end.value))
        self.ready.extend(self.schedule.tasks[name] for name in self.schedule.finish(task.id))
        if task.special:
            self.steps.element_ended(task.id)

    def leave_out(self, task: Task) -> None:
        """Ends a task whose `when` does not hold. Those that only come after it may run."""
        self.void.add(task.id)
        self.outcomes[task.id] = Skipped(task.id)
        self.observe(TaskSkipped(self.clock(), task.id, task.id))
        self.ready.extend(self.schedule.tasks[name] for name in self.schedule.finish(task.id))

    def fail(self, task: Task, error: BaseException, started: float) -> float:
        """Ends a task with an error, as its policy says; returns when."""
        reason = as_call_error(error, task.call, task.id)
        ended = self.clock()
        tool = self.tools.get(task.call)
        policy = task.on_error or (tool.on_error if tool is not None else "skip")
        outcome = Failed(reason, started, ended, handled=policy == "continue")
        self.outcomes[task.id] = outcome
        self.observe(TaskFailed(ended, task.id, str(reason), outcome.value["type"]))
        if policy == "continue":
            self.values[task.id] = outcome.value
            self.ready.extend(self.schedule.tasks[name] for name in self.schedule.finish(task.id))
        else:
            self.skip(self.schedule.fail(task.id), task.id)
            if policy == "fail" and self.ended_by is None:
                self.ended_by = task.id
                if self.streaming:
                    self.feeding.cancel()
        if task.special:
            self.steps.element_ended(task.id)
        return ended

    def skip(self, names: Iterable[str], because: str) -> None:
        """Ends tasks that will not run."""
        for name in names:
            self.outcomes[name] = Skipped(because)
            self.observe(TaskSkipped(self.clock(), name, because))
            if self.schedule.tasks[name].special:
                self.steps.element_ended(name)
