"""Elements, conditions, budgets, caches, breakers, rates, priorities, processes: what stands before a call."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from executor import (
    Account,
    AnyOf,
    Budget,
    Compare,
    Executor,
    Failed,
    Finished,
    ForEach,
    Not,
    Plan,
    Prices,
    Ref,
    Retry,
    Skipped,
    Task,
    TaskCached,
    TaskEvent,
    TaskOptions,
    TaskStarted,
    Text,
    Tool,
    Truth,
    condition_from_json,
    condition_to_json,
)
from executor.approval import Approval, Approvals, Verdict
from executor.cache import ResultCache
from executor.journal import MemoryJournal, Past, RunLog
from executor.tool import Breaker, Rate


def hang_with_the_interpreter(seconds: float) -> float:
    """Ignores everything but a kill."""
    time.sleep(seconds)
    return seconds


async def value(x: object) -> object:
    return x


IDENTITY = Tool(name="value", function=value, effect="pure")


def values(outcomes: dict[str, Any]) -> dict[str, object]:
    return {name: end.value for name, end in outcomes.items() if isinstance(end, Finished)}


@pytest.mark.asyncio
async def test_foreach_keeps_order_and_its_own_concurrency() -> None:
    running = most = 0

    async def slow(x: dict[str, int], tag: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - x["n"]):
            await anyio.lowlevel.checkpoint()
        running -= 1
        return f"{tag}{x['n']}"

    items: list[object] = [{"n": n} for n in range(9)]
    plan = Plan(
        [
            Task("list", "value", {"x": items}),
            Task("tag", "value", {"x": "t"}),
            Task(
                "all",
                "slow",
                {"x": Ref("item"), "tag": Text((Ref("tag"), "-"))},
                foreach=ForEach(Ref("list"), concurrency=3),
            ),
            Task("sum", "value", {"x": Ref("all", (2,))}),
        ]
    )
    assert Plan.from_json(plan.to_json()) == plan
    outcomes = await Executor([IDENTITY, Tool(name="slow", function=slow, effect="pure")]).run(plan)
    assert values(outcomes)["all"] == [f"t-{n}" for n in range(9)]
    assert values(outcomes)["sum"] == "t-2"
    assert most == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("policy", "expected"), [("skip", [0, 2]), ("continue", [0, "1 is odd", 2]), ("fail", "1 of 3 elements failed")]
)
async def test_a_failed_element_means_what_the_policy_says(policy: Any, expected: object) -> None:
    async def even(x: int) -> int:
        if x == 1:
            raise ValueError("1 is odd")
        return x

    task = Task("a", "even", {"x": Ref("item")}, foreach=ForEach([0, 1, 2], on_error=policy))
    outcomes = await Executor([Tool(name="even", function=even, effect="pure", on_error="fail")]).run([task])
    end = outcomes["a"]
    if policy == "fail":
        assert isinstance(end, Failed)
        assert str(expected) in str(end.error)
        return
    assert isinstance(end, Finished)
    told = [item["error"].split(": ")[-1] if isinstance(item, dict) else item for item in end.value]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    assert told == expected


@pytest.mark.asyncio
async def test_foreach_over_what_is_no_list_or_too_long_fails_by_name() -> None:
    tasks = [
        Task("text", "value", {"x": Ref("item")}, foreach=ForEach("abc")),
        Task("long", "value", {"x": Ref("item")}, foreach=ForEach([1, 2, 3], max_items=2)),
        Task("none", "value", {"x": Ref("item")}, foreach=ForEach([])),
        Task("path", "value", {"x": Ref("item", ("a",))}, foreach=ForEach([{"a": 1}, {"b": 2}], on_error="skip")),
    ]
    outcomes = await Executor([IDENTITY]).run(tasks)
    assert "not over str" in str(outcomes["text"])
    assert "max_items is 2" in str(outcomes["long"])
    assert values(outcomes)["none"] == []
    assert values(outcomes)["path"] == [1]


@pytest.mark.asyncio
async def test_a_condition_that_does_not_hold_skips_users_and_lets_followers_run() -> None:
    no = AnyOf((Compare(Ref("n"), ">", 5), Not(Truth(Ref("n")))))
    assert condition_from_json(condition_to_json(no)) == no
    tasks = [
        Task("n", "value", {"x": 3}),
        Task("left_out", "value", {"x": 1}, when=no),
        Task("user", "value", {"x": Ref("left_out")}),
        Task("after", "value", {"x": 2}, after=("left_out",)),
        Task("odd", "value", {"x": 2}, when=Compare(Ref("n"), "<", "text")),
    ]
    outcomes = await Executor([IDENTITY]).run(tasks)
    assert isinstance(outcomes["left_out"], Skipped)
    assert outcomes["user"] == Skipped("left_out")
    assert values(outcomes) == {"n": 3, "after": 2}
    assert "cannot be compared" in str(outcomes["odd"])


@pytest.mark.asyncio
async def test_a_budget_is_never_passed_under_fifty_way_fan_out() -> None:
    made = 0

    async def work(x: int) -> int:
        nonlocal made
        made += 1
        await anyio.lowlevel.checkpoint()
        if x % 3 == 0:
            raise OSError("again")
        return x

    tool = Tool(name="work", function=work, effect="pure", retry=Retry(attempts=3, wait=0))
    for budget in (Budget(calls=20), Budget(cost=2.0, prices=Prices(calls={"work": 0.1}))):
        made = 0
        account = Account(budget)
        outcomes = await Executor([tool]).run([Task(str(n), "work", {"x": n}) for n in range(50)], account=account)
        assert made == account.spent.calls == 20
        assert len(values(outcomes)) > 0
        assert any("is spent" in str(end) for end in outcomes.values())
        assert account.refused in ("calls", "cost")


def test_token_reservations_are_given_back_and_never_passed() -> None:
    account = Account(Budget(tokens=100))
    first = account.reserve_tokens(40, 40)
    with pytest.raises(Exception, match="budget of 100 tokens is spent"):
        account.reserve_tokens(20, 1)
    first.settle(30, 5)
    account.reserve_tokens(60, 5)
    assert account.spent.tokens == 100


@pytest.mark.asyncio
async def test_equal_pure_calls_become_one_and_expire() -> None:
    made = 0
    now = 0.0

    async def look(x: int) -> list[int]:
        nonlocal made
        made += 1
        await anyio.lowlevel.checkpoint()
        return [x]

    journal = MemoryJournal()
    tool = Tool(name="look", function=look, effect="pure", cache=10.0)
    events: list[TaskEvent] = []
    cache = ResultCache(journal, clock=lambda: now)
    executor = Executor([tool], cache=cache, observe=events.append)
    tasks = [Task(str(n), "look", {"x": 1}) for n in range(20)]
    assert set(map(str, values(await executor.run(tasks)).values())) == {"[1]"}
    assert made == 1
    assert {event.source for event in events if isinstance(event, TaskCached)} <= {"flight", "memory"}
    other = Executor([tool], cache=ResultCache(journal, clock=lambda: now))
    await other.run(tasks[:1])
    assert made == 1
    now = 11.0
    await executor.run(tasks[:1])
    assert made == 2
    await executor.run([Task("off", "look", {"x": 1}, options=TaskOptions(cache=False))])
    assert made == 3
    once = Tool(name="look", function=look, effect="idempotent")
    await Executor([once], cache=ResultCache()).run(tasks[:2])
    assert made == 5


@pytest.mark.asyncio
async def test_a_breaker_leaves_a_failing_tool_alone_and_tries_again_later() -> None:
    made = 0
    now = 0.0
    broken = True

    async def work() -> str:
        nonlocal made
        made += 1
        if broken:
            raise OSError("down")
        return "up"

    tool = Tool(name="work", function=work, effect="pure", breaker=Breaker(failures=2, reset=30), concurrency=1)
    executor = Executor([tool], clock=lambda: now)
    outcomes = await executor.run([Task(str(n), "work") for n in range(6)])
    assert made == 2
    assert "left alone" in str(outcomes["5"])
    now, broken = 31.0, False
    assert len(values(await executor.run([Task(str(n), "work") for n in range(3)]))) == 3


@pytest.mark.asyncio
async def test_a_rate_spreads_calls_after_a_burst() -> None:
    tool = Tool(name="value", function=value, effect="pure", rate=Rate(5, per=0.1))
    began = time.monotonic()
    outcomes = await Executor([tool]).run([Task(str(n), "value", {"x": n}) for n in range(12)])
    assert len(values(outcomes)) == 12
    assert time.monotonic() - began >= 7 * 0.02 - 0.005


@pytest.mark.asyncio
async def test_the_task_with_the_longest_way_behind_it_goes_first_under_a_limit() -> None:
    tasks = [Task(f"leaf{n}", "value", {"x": n}) for n in range(5)]
    tasks += [Task("head", "value", {"x": 0}), Task("mid", "value", {"x": Ref("head")})]
    tasks += [Task("tail", "value", {"x": Ref("mid")})]
    started: list[str] = []

    def observe(event: TaskEvent) -> None:
        if isinstance(event, TaskStarted):
            started.append(event.id)

    async def wait(x: object) -> object:
        await anyio.lowlevel.checkpoint()
        return x

    tool = Tool(name="value", function=wait, effect="pure")
    await Executor([tool], concurrency=1, observe=observe).run(tasks)
    assert started.index("head") <= 1
    assert started.index("mid") == started.index("head") + 1  # the tail's own way is no longer than a leaf's


@pytest.mark.asyncio
async def test_a_process_that_ignores_everything_is_killed_in_time_and_siblings_go_on() -> None:
    stuck = Tool(name="stuck", function=hang_with_the_interpreter, effect="pure", process=True, timeout=3.0)
    outcomes = await Executor([stuck, IDENTITY]).run(
        [
            Task("ok", "stuck", {"seconds": 0.0}),
            Task("hangs", "stuck", {"seconds": 600.0}),
            Task("sibling", "value", {"x": 1}),
        ]
    )
    assert values(outcomes) == {"ok": 0.0, "sibling": 1}
    failed = outcomes["hangs"]
    assert isinstance(failed, Failed)
    assert "took longer than 3 s" in str(failed.error)
    assert failed.ended - failed.started < 3.0 + 1.0


@pytest.mark.asyncio
async def test_an_approver_at_hand_is_asked_and_a_no_is_an_outcome() -> None:
    async def ask(approval: Approval) -> Verdict:
        return Verdict("yes" if approval.task == "1" else "no", "because")

    tool = Tool(name="value", function=value, effect="once", approve="Really?")
    outcomes = await Executor([tool], approvals=Approvals(ask)).run([Task(n, "value", {"x": n}) for n in "12"])
    assert values(outcomes) == {"1": "1"}
    assert "not allowed: because" in str(outcomes["2"])
    alone = await Executor([tool]).run([Task("1", "value", {"x": 1})])
    assert "nobody to ask" in str(alone["1"])


@pytest.mark.asyncio
async def test_an_interrupted_foreach_goes_on_with_the_elements_that_are_left() -> None:
    made: list[int] = []
    broken = True

    async def work(x: int) -> int:
        made.append(x)
        if broken and x == 3:
            await anyio.sleep_forever()
        return x * x

    tool = Tool(name="work", function=work, effect="pure")
    task = Task("a", "work", {"x": Ref("item")}, foreach=ForEach([0, 1, 2, 3, 4], concurrency=1))
    journal = MemoryJournal()
    log = RunLog.start(journal, run_id="r")
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: Executor([tool]).run([task], log=log))
            while 3 not in made:
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    log.settle()
    broken = False
    again = RunLog.resume(journal, "r")
    assert [one.id for one in again.past.plan()] == ["a"]
    outcomes = await Executor([tool]).run(again.past.plan(), log=again)
    again.end("finished")
    assert values(outcomes)["a"] == [0, 1, 4, 9, 16]
    assert made == [0, 1, 2, 3, 3, 4]
    ends = [record.task for record in journal.read("r", kinds=("TaskFinished",))]
    assert sorted(map(str, ends)) == ["a", *(f"a[{n}]" for n in range(5))]
    assert Past.of(journal.read("r")).complete


@pytest.mark.asyncio
async def test_the_cancellation_storm_leaves_nothing_behind() -> None:
    await storm(100)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_great_cancellation_storm_leaves_nothing_behind() -> None:
    await storm(1_000)


async def storm(runs: int) -> None:
    """Runs that are cancelled at random moments, twice each, with limits, retries, threads, elements and a journal."""
    import asyncio
    import random

    draw = random.Random(5)
    held = 0

    async def work(x: int) -> int:
        nonlocal held
        held += 1
        try:
            await anyio.sleep(draw.random() * 0.01)
            if x % 5 == 0:
                raise OSError("again")
            return x
        finally:
            held -= 1

    tool = Tool(name="work", function=work, effect="pure", concurrency=3, retry=Retry(wait=0.001), timeout=0.5)
    executor = Executor([tool, IDENTITY], concurrency=5, cache=ResultCache())
    journal = MemoryJournal()
    items: list[object] = list(range(8))
    tasks = [Task(str(n), "work", {"x": n}) for n in range(10)]
    tasks += [Task("each", "work", {"x": Ref("item")}, foreach=ForEach(items))]
    before = len(asyncio.all_tasks())
    longest = 0.0
    for _ in range(runs):
        running = asyncio.ensure_future(executor.run(tasks, log=RunLog.start(journal)))
        for _ in range(draw.randrange(12)):
            await anyio.lowlevel.checkpoint()
        began = time.monotonic()
        running.cancel()
        await anyio.lowlevel.checkpoint()
        running.cancel()
        await asyncio.wait([running])
        longest = max(longest, time.monotonic() - began)
    assert longest < 1.0
    assert held == 0
    assert len(asyncio.all_tasks()) == before
    with anyio.fail_after(30):  # every place was given back
        assert len(await executor.run([Task(str(n), "work", {"x": 1}) for n in range(20)])) == 20
