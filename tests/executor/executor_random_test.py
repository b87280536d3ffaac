"""Random plans with random failures against a model that runs them one task at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Executor, Failed, Finished, Ref, Skipped, Task, TaskEvent, TaskFinished, TaskStarted, Text, Tool
from executor.plan import FailurePolicy


@st.composite
def dags(draw: st.DrawFn) -> list[Task]:
    count = draw(st.integers(1, 14))
    tasks: list[Task] = []
    for n in range(count):
        earlier = [str(other) for other in range(n)]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        kinds = [draw(st.sampled_from(["value", "text", "after"])) for _ in needs]
        args: dict[str, object] = {
            f"a{need}": Ref(need) if kind == "value" else Text(("see ", Ref(need)))
            for need, kind in zip(needs, kinds, strict=True)
            if kind != "after"
        }
        args.update(me=str(n), turns=draw(st.integers(0, 3)), fails=draw(st.integers(0, 4)) == 0)
        after = tuple(need for need, kind in zip(needs, kinds, strict=True) if kind == "after")
        policy: FailurePolicy = draw(st.sampled_from(["skip", "skip", "continue"]))
        call = draw(st.sampled_from(["plain", "limited"]))
        tasks.append(Task(str(n), call, args, after=after, on_error=policy))
    return draw(st.permutations(tasks))


def expected(tasks: list[Task]) -> dict[str, type]:
    """How each task must end, found by going through the plan until nothing changes."""
    ends: dict[str, type] = {}
    handled = {task.id for task in tasks if task.on_error == "continue"}
    while len(ends) < len(tasks):
        for task in tasks:
            needs = [*task.needs, *task.mentions]
            if task.id in ends or not all(need in ends for need in needs):
                continue
            if any(ends[need] is Skipped or (ends[need] is Failed and need not in handled) for need in needs):
                ends[task.id] = Skipped
            else:
                ends[task.id] = Failed if task.args["fails"] else Finished
    return ends


@settings(max_examples=120)
@given(tasks=dags(), streamed=st.booleans(), pauses=st.lists(st.integers(0, 3), min_size=14, max_size=14))
def test_each_task_runs_once_after_what_it_needs(tasks: list[Task], streamed: bool, pauses: list[int]) -> None:
    calls: Counter[str] = Counter()
    events: list[TaskEvent] = []

    async def work(me: str, turns: int, fails: bool, **_: object) -> str:
        calls[me] += 1
        for _turn in range(turns):
            await asyncio.sleep(0)
        if fails:
            raise ValueError(me)
        return f"value of {me}"

    async def stream() -> AsyncIterator[Task]:
        for task, pause in zip(tasks, pauses, strict=False):
            for _ in range(pause):
                await asyncio.sleep(0)
            yield task

    async def scenario() -> None:
        tools = [Tool(name="plain", function=work), Tool(name="limited", function=work, concurrency=2, timeout=60)]
        before = asyncio.all_tasks()
        with anyio.fail_after(10):
            outcomes = await Executor(tools, observe=events.append).run(stream() if streamed else tasks)
        assert asyncio.all_tasks() == before
        assert {name: type(outcome) for name, outcome in outcomes.items()} == expected(tasks)

    asyncio.run(scenario())
    ends = expected(tasks)
    assert calls == Counter(name for name, end in ends.items() if end is not Skipped)
    ended: set[str] = set()
    by_id = {task.id: task for task in tasks}
    for event in events:
        if isinstance(event, TaskStarted):
            needs = {*by_id[event.id].needs, *by_id[event.id].mentions}
            assert {need for need in needs if ends[need] is Finished} <= ended
        elif isinstance(event, TaskFinished):
            ended.add(event.id)
