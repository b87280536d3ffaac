"""One plan from its tasks to its outcomes: values, order, failures, retries, time limits."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any, cast

import anyio
import pytest

from executor import (
    ArgumentMismatch,
    DuplicateTask,
    Executor,
    ExecutorError,
    Failed,
    Finished,
    Outcome,
    PathError,
    Plan,
    Retry,
    Skipped,
    Task,
    TaskAdded,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
    Tool,
    ToolContext,
    ToolFailed,
    ToolTimeout,
    TooManyTasks,
    UnknownReference,
    UnknownTool,
    parse_tree,
    to_json,
)


async def echo(value: object = None, **_: object) -> object:
    return value


async def boom(message: str = "no luck", **_: object) -> object:
    raise ValueError(message)


ECHO = Tool(name="echo", function=echo)
BOOM = Tool(name="boom", function=boom)


def task(
    name: str, call: str = "echo", /, *, after: tuple[str, ...] = (), on_error: Any = None, **args: object
) -> Task:
    return Task(name, call, cast(Mapping[str, object], parse_tree(args)), after=after, on_error=on_error)


def kinds(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: type(outcome).__name__ for name, outcome in outcomes.items()}


def value_of(outcome: Outcome) -> object:
    assert isinstance(outcome, Finished), outcome
    return outcome.value


def error_of(outcome: Outcome) -> Exception:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


@pytest.mark.asyncio
async def test_values_flow_along_references_and_keep_their_type() -> None:
    made = object()

    async def make() -> object:
        return {"items": [made]}

    plan = Plan([task("1", "make"), task("2", value="$1.items[0]"), task("3", value="got $2"), task("4", value=["$2"])])
    outcomes = await Executor([ECHO, Tool(name="make", function=make)]).run(plan)
    assert value_of(outcomes["2"]) is made
    assert value_of(outcomes["3"]) == f'got "{made}"'
    assert cast(list[object], value_of(outcomes["4"]))[0] is made


@pytest.mark.asyncio
async def test_an_empty_plan_is_done() -> None:
    assert await Executor([]).run(Plan()) == {}


@pytest.mark.asyncio
async def test_tasks_may_be_written_in_any_order() -> None:
    outcomes = await Executor([ECHO]).run([task("3", value="$2"), task("2", value="$1"), task("1", value="x")])
    assert [*outcomes] == ["1", "2", "3"]
    assert value_of(outcomes["3"]) == "x"


@pytest.mark.asyncio
async def test_tasks_start_in_the_order_they_were_written() -> None:
    events: list[TaskEvent] = []
    await Executor([ECHO], observe=events.append).run([task(str(n)) for n in range(100)])
    assert [event.id for event in events if isinstance(event, TaskStarted)] == [str(n) for n in range(100)]


@pytest.mark.asyncio
async def test_after_orders_tasks_without_passing_a_value() -> None:
    outcomes = await Executor([ECHO]).run([task("2", after=("1",)), task("1")])
    assert [*outcomes] == ["1", "2"]


@pytest.mark.asyncio
async def test_every_change_is_one_event_in_order() -> None:
    events: list[TaskEvent] = []
    times = iter(range(1000))
    tools = [ECHO, BOOM]
    plan = [task("1", value="x"), task("2", "boom"), task("3", value="$2")]
    await Executor(tools, observe=events.append, clock=lambda: next(times) / 1e6).run(plan)
    assert [(type(event), event.task.id if isinstance(event, TaskAdded) else event.id) for event in events] == [
        (TaskAdded, "1"),
        (TaskAdded, "2"),
        (TaskAdded, "3"),
        (TaskStarted, "1"),
        (TaskFinished, "1"),
        (TaskStarted, "2"),
        (TaskFailed, "2"),
        (TaskSkipped, "3"),
    ]
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert to_json(events[0]) == {"event": "TaskAdded", "time": events[0].time, "task": plan[0].to_json()}
    assert to_json(events[-1]) == {"event": "TaskSkipped", "time": events[-1].time, "id": "3", "because": "2"}


@pytest.mark.asyncio
async def test_a_failing_tool_is_an_outcome_that_says_where_it_came_from() -> None:
    outcomes = await Executor([BOOM]).run([task("1", "boom", message="out of cheese")])
    error = error_of(outcomes["1"])
    assert isinstance(error, ToolFailed)
    assert str(error) == "task 1: boom raised ValueError: out of cheese"
    assert error.task == "1"
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.asyncio
async def test_skip_takes_the_descendants_and_leaves_the_siblings() -> None:
    plan = [task("1", "boom"), task("2"), task("3", value="$1"), task("4", value=["$3", "$2"]), task("5", value="$2")]
    outcomes = await Executor([ECHO, BOOM]).run(plan)
    assert kinds(outcomes) == {"1": "Failed", "2": "Finished", "3": "Skipped", "4": "Skipped", "5": "Finished"}
    assert outcomes["4"] == Skipped("1")


@pytest.mark.asyncio
async def test_continue_makes_the_error_the_value() -> None:
    plan = [task("1", "boom", on_error="continue"), task("2", value="$1")]
    outcomes = await Executor([ECHO, BOOM]).run(plan)
    assert value_of(outcomes["2"]) == {"error": "task 1: boom raised ValueError: no luck", "type": "ValueError"}
    failed = outcomes["1"]
    assert isinstance(failed, Failed) and failed.handled


@pytest.mark.asyncio
async def test_fail_ends_the_run_but_every_task_of_the_plan_has_its_outcome() -> None:
    started = anyio.Event()
    release = anyio.Event()

    async def slow() -> str:
        started.set()
        await release.wait()
        return "kept"

    async def fail() -> None:
        await started.wait()
        release.set()
        raise ValueError

    tools = [ECHO, Tool(name="slow", function=slow), Tool(name="fail", function=fail, on_error="fail")]
    plan = [
        task("1", "slow"),
        task("2", "fail"),
        task("3", value="$1"),
        task("4", value="$2"),
        task("5", value="$1 costs $9"),
    ]
    outcomes = await Executor(tools).run(plan)
    assert value_of(outcomes["1"]) == "kept"
    assert outcomes["3"] == outcomes["4"] == outcomes["5"] == Skipped("2")
    assert len(outcomes) == 5


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("own", "asked", "ends"), [("fail", "skip", False), ("skip", "fail", True), ("fail", None, True)]
)
async def test_the_task_may_override_the_tool(own: Any, asked: Any, ends: bool) -> None:
    tools = [ECHO, Tool(name="boom", function=boom, on_error=own)]
    outcomes = await Executor(tools).run([task("1", "boom", on_error=asked), task("2")])
    assert kinds(outcomes)["2"] == ("Skipped" if ends else "Finished")


@pytest.mark.asyncio
async def test_a_reference_to_nothing_is_known_at_the_end_and_siblings_have_run() -> None:
    outcomes = await Executor([ECHO]).run([task("1", value="$7"), task("2", value="$1"), task("3")])
    assert isinstance(error_of(outcomes["1"]), UnknownReference)
    assert kinds(outcomes) == {"1": "Failed", "2": "Skipped", "3": "Finished"}


@pytest.mark.asyncio
async def test_an_amount_in_text_waits_only_for_the_end_of_the_plan() -> None:
    outcomes = await Executor([ECHO]).run([task("1", value="a $15 ticket, see $2 and $1"), task("2", value="x")])
    assert value_of(outcomes["1"]) == "a $15 ticket, see x and $1"


@pytest.mark.asyncio
@pytest.mark.parametrize("result", ["$2", "${2.secret}", "{{ 2 }}", '4. echo("x")\n', "<END_OF_PLAN>"])
async def test_a_result_is_data(result: str) -> None:
    plan = [
        task("1", value=result.replace("$", "$$")),
        task("2", value="SECRET"),
        task("3", value="$1"),
        task("4", value="<$1>"),
    ]
    outcomes = await Executor([ECHO]).run(plan)
    assert [value_of(outcomes[name]) for name in ("1", "3", "4")] == [result, result, f"<{result}>"]
    assert len(outcomes) == 4


@pytest.mark.asyncio
async def test_a_path_that_a_result_does_not_have_fails_its_task_before_the_call() -> None:
    events: list[TaskEvent] = []
    plan = [task("1", value={"a": 1}), task("2", value="$1.b"), task("3", value="$1[0]", on_error="continue")]
    outcomes = await Executor([ECHO], observe=events.append).run(plan)
    error = error_of(outcomes["2"])
    assert isinstance(error, PathError)
    assert str(error) == "task 2: there is no key 'b'; there are: a"
    assert cast(Failed, outcomes["3"]).value["type"] == "PathError"
    assert [event.id for event in events if isinstance(event, TaskStarted)] == ["1"]


@pytest.mark.asyncio
async def test_an_unknown_tool_suggests_the_nearest() -> None:
    outcomes = await Executor([ECHO]).run([task("1", "ecko")])
    assert isinstance(error_of(outcomes["1"]), UnknownTool)
    assert "did you mean echo?" in str(error_of(outcomes["1"]))


@pytest.mark.asyncio
async def test_a_plan_that_cannot_be_run_raises() -> None:
    with pytest.raises(DuplicateTask):
        await Executor([ECHO]).run([task("1"), task("1")])


@pytest.mark.asyncio
async def test_earlier_outcomes_can_be_used_and_their_ids_are_taken() -> None:
    executor = Executor([ECHO, BOOM])
    prior = await executor.run([task("1", value=[7]), task("2", "boom"), task("3", "boom", on_error="continue")])
    plan = [task("4", value="$1[0]"), task("5", value="$2"), task("6", value="$3.type"), task("7", value="see $1")]
    outcomes = await executor.run(plan, prior=prior)
    assert [value_of(outcomes[name]) for name in ("4", "6", "7")] == [7, "ValueError", "see [7]"]
    assert outcomes["5"] == Skipped("2")
    assert [*outcomes].count("1") == 0
    with pytest.raises(DuplicateTask):
        await executor.run([task("1")], prior=prior)


@pytest.mark.asyncio
async def test_a_plain_function_runs_in_a_thread_and_may_return_an_awaitable() -> None:
    here = threading.get_ident()
    tools = [Tool(name="thread", function=threading.get_ident), Tool(name="late", function=lambda: echo(3))]
    outcomes = await Executor(tools).run([task("1", "thread"), task("2", "late")])
    assert value_of(outcomes["1"]) != here
    assert value_of(outcomes["2"]) == 3


class CallableTool:
    async def __call__(self, value: int) -> int:
        return value + 1


@pytest.mark.asyncio
async def test_anything_callable_is_a_tool() -> None:
    tools = [Tool(name="object", function=CallableTool()), Tool(name="partial", function=partial(echo, 5))]
    assert all(tool.is_async for tool in tools)
    outcomes = await Executor(tools).run([task("1", "object", value=1), task("2", "partial")])
    assert [value_of(outcome) for outcome in outcomes.values()] == [2, 5]


@pytest.mark.asyncio
async def test_tools_see_the_context_of_the_run() -> None:
    who: ContextVar[str] = ContextVar("who")
    who.set("caller")

    async def read() -> str:
        return who.get()

    outcomes = await Executor([Tool(name="a", function=read), Tool(name="b", function=who.get)]).run(
        [task("1", "a"), task("2", "b")]
    )
    assert [value_of(outcome) for outcome in outcomes.values()] == ["caller", "caller"]


@pytest.mark.asyncio
async def test_a_validator_changes_arguments_or_refuses_them_before_the_call() -> None:
    def validate(arguments: Mapping[str, object]) -> dict[str, object]:
        if arguments["value"] == "bad":
            raise ValueError("value must not be bad")
        return {"value": int(str(arguments["value"])) + 1}

    tool = Tool(name="echo", function=echo, validate=validate, retry=Retry(on=(Exception,), wait=0))
    events: list[TaskEvent] = []
    outcomes = await Executor([tool], observe=events.append).run([task("1", value="41"), task("2", value="bad")])
    assert value_of(outcomes["1"]) == 42
    assert isinstance(error_of(outcomes["2"]), ArgumentMismatch)
    assert str(error_of(outcomes["2"])) == "echo: value must not be bad"
    assert not [event for event in events if isinstance(event, TaskRetried)]


@pytest.mark.asyncio
async def test_a_failed_call_is_made_again_as_often_as_the_tool_allows() -> None:
    seen: list[ToolContext] = []

    async def flaky(until: int, context: ToolContext) -> int:
        seen.append(context)
        if context.attempt < until:
            raise OSError("try again")
        return context.attempt

    events: list[TaskEvent] = []
    tool = Tool(name="flaky", function=flaky, retry=Retry(attempts=3, wait=0), context="context")
    outcomes = await Executor([tool], observe=events.append).run(
        [task("1", "flaky", until=3), task("2", "flaky", until=9)]
    )
    assert value_of(outcomes["1"]) == 3
    assert isinstance(error_of(outcomes["2"]).__cause__, OSError)
    assert [context for context in seen if context.task == "1"] == [ToolContext("1", n) for n in (1, 2, 3)]
    retried = [event for event in events if isinstance(event, TaskRetried) and event.id == "2"]
    assert [(event.attempt, event.wait, event.error) for event in retried] == [(1, 0, "try again"), (2, 0, "try again")]
    assert len([event for event in events if isinstance(event, TaskStarted)]) == 2


@pytest.mark.asyncio
async def test_only_errors_worth_it_are_tried_again() -> None:
    calls: list[str] = []

    async def fail() -> None:
        calls.append("x")
        raise ValueError

    outcomes = await Executor([Tool(name="fail", function=fail, retry=Retry(wait=0))]).run([task("1", "fail")])
    assert isinstance(error_of(outcomes["1"]).__cause__, ValueError)
    assert len(calls) == 1


@pytest.mark.asyncio
async def test_a_call_that_takes_too_long_is_stopped_and_may_be_tried_again() -> None:
    stopped: list[int] = []

    async def hang(context: ToolContext) -> str:
        if context.attempt == 2:
            return "second time"
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(context.attempt)
        return "never"

    hurried = Tool(name="once", function=hang, timeout=0.001, context="context")
    patient = Tool(name="twice", function=hang, timeout=0.001, context="context", retry=Retry(wait=0))
    with anyio.fail_after(10):
        outcomes = await Executor([hurried, patient]).run([task("1", "once"), task("2", "twice")])
    error = error_of(outcomes["1"])
    assert isinstance(error, ToolTimeout)
    assert str(error) == "task 1: once took longer than 0.001 s and was stopped"
    assert value_of(outcomes["2"]) == "second time"
    assert stopped == [1, 1]


@pytest.mark.asyncio
async def test_a_thread_that_takes_too_long_is_left_behind() -> None:
    release = threading.Event()
    tool = Tool(name="block", function=lambda: release.wait(10), timeout=0.001)
    try:
        with anyio.fail_after(5):
            outcomes = await Executor([tool, ECHO]).run([task("1", "block"), task("2")])
        assert isinstance(error_of(outcomes["1"]), ToolTimeout)
        assert kinds(outcomes)["2"] == "Finished"
    finally:
        release.set()


@pytest.mark.asyncio
async def test_a_time_limit_of_the_tools_own_is_its_failure_not_ours() -> None:
    async def impatient() -> None:
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    outcomes = await Executor([Tool(name="impatient", function=impatient, timeout=60)]).run([task("1", "impatient")])
    assert isinstance(error_of(outcomes["1"]), ToolFailed)
    assert isinstance(error_of(outcomes["1"]).__cause__, TimeoutError)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "raised", [SystemExit(3), RecursionError(), KeyError("k"), StopAsyncIteration(), ExceptionGroup("g", [OSError()])]
)
async def test_whatever_a_tool_raises_its_siblings_go_on(raised: BaseException) -> None:
    async def strange() -> None:
        raise raised

    def strange_in_a_thread() -> None:
        raise raised

    tools = [ECHO, Tool(name="strange", function=strange), Tool(name="thread", function=strange_in_a_thread)]
    outcomes = await Executor(tools).run([task("1", "strange"), task("2", "thread"), task("3")])
    assert kinds(outcomes) == {"1": "Failed", "2": "Failed", "3": "Finished"}


@pytest.mark.asyncio
async def test_a_run_inside_a_tool_does_not_pass_its_errors_off_as_ours() -> None:
    async def nested() -> None:
        await Executor([ECHO]).run([task("x"), task("x")])

    outcomes = await Executor([Tool(name="nested", function=nested)]).run([task("1", "nested")])
    assert isinstance(error_of(outcomes["1"]), ToolFailed)
    assert isinstance(error_of(outcomes["1"]).__cause__, DuplicateTask)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [TaskAdded, TaskStarted, TaskRetried, TaskFinished, TaskFailed, TaskSkipped])
async def test_an_observer_that_raises_ends_the_run_with_its_own_error(kind: type[TaskEvent]) -> None:
    calls: list[str] = []

    async def count() -> None:
        calls.append("x")
        await anyio.lowlevel.checkpoint()

    def observe(event: TaskEvent) -> None:
        if isinstance(event, kind):
            raise OSError("disk full")

    tools = [
        Tool(name="count", function=count),
        Tool(name="boom", function=boom, retry=Retry(attempts=2, wait=0, on=(ValueError,))),
    ]
    plan = [task("1", "count"), task("2", "boom"), task("3", "count", after=("2",))]
    with pytest.raises(OSError, match="disk full"):
        await Executor(tools, observe=observe).run(plan)
    if kind in (TaskAdded, TaskStarted):  # a journal that could not write the start has to keep the call from happening
        assert calls == []


@pytest.mark.asyncio
async def test_ten_thousand_calls_that_never_wait_leave_the_loop_to_others() -> None:
    turns = 0
    done = anyio.Event()
    ticks = count()

    def clock() -> float:
        return next(ticks) * 1e-4  # every look at it takes a tenth of a millisecond, on every machine

    async def others() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(others)
        plan = [task(str(n), after=(str(n - 1),) if n else ()) for n in range(10_000)]
        outcomes = await Executor([ECHO], clock=clock).run(plan)
        assert len(outcomes) == 10_000
        done.set()
    assert turns > 100, "a turn for others after every 5 ms: 2 s on this clock, at least"


@pytest.mark.asyncio
async def test_a_generator_of_tasks_has_a_limit_and_a_plan_has_none() -> None:
    executor = Executor([ECHO], max_tasks=5)
    with pytest.raises(TooManyTasks, match="more than 5 tasks"):
        await executor.run(task(str(n)) for n in range(6))
    assert len(await executor.run(task(str(n)) for n in range(5))) == 5
    assert len(await executor.run(Plan(task(str(n)) for n in range(6)))) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Tool(name="x", function=echo, timeout=0),
        lambda: Tool(name="x", function=echo, concurrency=0),
        lambda: Retry(attempts=0),
        lambda: Retry(wait=-1),
        lambda: Executor([], concurrency=0),
        lambda: Executor([ECHO, ECHO]),
    ],
)
def test_limits_nothing_could_keep_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError):
        wrong()


def test_errors_have_one_root() -> None:
    assert issubclass(ToolTimeout, ExecutorError) and issubclass(UnknownTool, ExecutorError)
