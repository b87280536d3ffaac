"""Passes: each on its own, and a property: what a plan computes stays what it was."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Batch, Executor, Finished, Parameter, Plan, Ref, Signature, Task, TaskStarted, Text, Tool, Toolset
from planner import CompilerPolicy, Joiner, LLMPlanner, PlannerError, read_plan
from planner.passes import PASSES, Pipeline
from planner.passes.priority import prioritise
from planner.testing import ScriptedChatModel


async def look(title: object, lang: object = "en") -> dict[str, object]:
    return {"of": [title, lang]}


async def look_many(titles: list[object], lang: object = "en") -> list[dict[str, object]]:
    return [{"of": [title, lang]} for title in titles]


async def join_up(first: object, second: object) -> list[object]:
    return [first, second]


BOUGHT: list[object] = []


async def buy(item: object) -> str:
    BOUGHT.append(item)
    return "receipt"


def of(*names: str, optional: str = "") -> Signature:
    return Signature([*map(Parameter, names), *([Parameter(optional, {}, False)] if optional else [])])


TOOLS = Toolset(
    [
        Tool(
            name="look",
            function=look,
            signature=of("title", optional="lang"),
            effect="pure",
            batch=Batch("look_many", parameter="titles", of="title"),
        ),
        Tool(name="look_many", function=look_many, signature=of("titles", optional="lang"), effect="pure"),
        Tool(name="pair", function=join_up, signature=of("first", "second"), effect="pure"),
        Tool(name="buy", function=buy, signature=of("item")),
    ]
)


def plan_of(text: str) -> Plan:
    return read_plan(text, TOOLS).plan


def lines(plan: Plan) -> list[str]:
    from planner import as_line

    return [as_line(task, TOOLS[task.call].signature) for task in plan]


def test_identical_pure_calls_are_made_once() -> None:
    plan = plan_of(
        '1. look("a")\n2. look("a")\n3. pair($1, $2.of)\n4. buy("x")\n5. buy("x")\n6. look("b $2")\n7. join()'
    )
    done = Pipeline(TOOLS, ["merge"]).apply(plan)
    assert lines(done.plan) == ['1. look("a")', '4. buy("x")', '5. buy("x")', "3. pair($1, $1.of)", '6. look("b ${1}")']
    assert done.moved == {"2": Ref("1")}
    assert done.notes == ("task 2 makes the same call as 1",)


def test_calls_that_become_identical_are_merged_too() -> None:
    plan = plan_of('1. look("a")\n2. look("a")\n3. pair($1, 1)\n4. pair($2, 1)\n5. join()')
    assert len(Pipeline(TOOLS, ["merge"]).apply(plan).plan) == 2


def test_what_nobody_reads_is_left_out_but_never_an_effect() -> None:
    reading = read_plan('1. look("a")\n2. look("b")\n3. buy($1)\n4. look("c")\n5. join($4)', TOOLS)
    assert reading.reads == ("4",)
    done = Pipeline(TOOLS, ["prune"]).apply(reading.plan, reads=reading.reads)
    assert [task.id for task in done.plan] == ["1", "3", "4"]
    assert len(Pipeline(TOOLS, ["prune"]).apply(reading.plan).plan) == 4, "join() reads everything"


def test_similar_calls_become_one() -> None:
    plan = plan_of(
        '1. look("a")\n2. look("b")\n3. look("c", lang="de")\n4. look($1.of)\n5. look($1)\n'
        "6. pair($2, $5.of[0])\n7. join()"
    )
    done = Pipeline(TOOLS, ["fuse"]).apply(plan)
    assert lines(done.plan) == [
        '1. look_many(["a", "b"])',
        '3. look("c", lang="de")',
        "4. look_many([$1[0].of, $1[0]])",
        "6. pair($1[1], $4[1].of[0])",
    ]
    assert done.moved["5"] == Ref("4", (1,))


def test_the_longest_way_goes_first() -> None:
    plan = plan_of('1. look("short")\n2. look("long")\n3. pair($2, 1)\n4. pair($3, 2)\n5. join()')
    assert [task.id for task in Pipeline(TOOLS, ["priority"]).apply(plan).plan] == ["2", "3", "1", "4"]
    weighted = prioritise(plan, TOOLS, {"look": 100.0})
    assert [task.id for task in weighted.plan][:2] == ["2", "1"]


def test_passes_in_a_row_say_where_results_are() -> None:
    plan = plan_of('1. look("a")\n2. look("b")\n3. look("b")\n4. pair($3, $2)\n5. join()')
    notes: list[str] = []
    done = Pipeline(TOOLS).apply(plan, on_note=lambda by, note: notes.append(by))
    assert lines(done.plan) == ['1. look_many(["a", "b"])', "4. pair($1[1], $1[1])"]
    assert done.moved == {"1": Ref("1", (0,)), "2": Ref("1", (1,)), "3": Ref("1", (1,))}
    assert notes == ["merge", "fuse"]


def test_there_is_no_such_pass() -> None:
    with pytest.raises(PlannerError, match="no pass 'inline'; there are: merge, prune"):
        Pipeline(TOOLS, ["inline"])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    tasks: list[Task] = []
    for number in range(1, draw(st.integers(1, 9)) + 1):
        earlier = [task.id for task in tasks]
        values = st.sampled_from(["a", "b", 1])
        if earlier:
            refs = st.builds(Ref, st.sampled_from(earlier))
            values = values | refs | refs.map(lambda ref: Text(("x ", ref))) | refs.map(lambda ref: [ref])  # type: ignore[assignment]
        call = draw(st.sampled_from(["look", "look", "pair", "buy"]))
        names = {"look": ["title", "lang"], "pair": ["first", "second"], "buy": ["item"]}[call]
        if call == "look" and draw(st.booleans()):
            names = names[:1]
        args = {name: draw(values) for name in names}
        tasks.append(Task(str(number), call, args))
    return Plan(draw(st.permutations(tasks)))


async def results(plan: Plan) -> tuple[dict[str, object], list[object]]:
    BOUGHT.clear()
    outcomes = await Executor(TOOLS).run(plan)
    assert all(isinstance(outcome, Finished) for outcome in outcomes.values())
    return {name: outcome.value for name, outcome in outcomes.items() if isinstance(outcome, Finished)}, sorted(
        map(repr, BOUGHT)
    )


@given(plans(), st.sets(st.sampled_from(PASSES)), st.data())
def test_a_plan_computes_what_it_did(plan: Plan, names: set[str], data: st.DataObject) -> None:
    reads = data.draw(st.none() | st.sets(st.sampled_from([task.id for task in plan])))
    done = Pipeline(TOOLS, names).apply(plan, reads=reads)
    before, bought = anyio.run(results, plan)
    after, bought_after = anyio.run(results, done.plan)
    assert bought == bought_after
    assert len(done.plan) <= len(plan)
    for name, value in before.items():
        if name in done.moved:
            ref = done.moved[name]
            assert ref.task not in after or ref.follow(after[ref.task]) == value
        elif name in after:
            assert after[name] == value
        else:
            assert reads is not None and name not in reads
    for name in reads if reads is not None else before:
        ref = done.moved.get(name, Ref(name))
        assert ref.follow(after[ref.task]) == before[name]


@pytest.mark.asyncio
@pytest.mark.parametrize(("passes", "calls"), [([], 3), (["merge"], 2), (list(PASSES), 1)])
async def test_the_policy_applies_them(passes: list[str], calls: int) -> None:
    plan = '1. look("a")\n2. look("b")\n3. look("a")\n4. join()'
    model = ScriptedChatModel(replies=[plan, '{"answer": "yes", "tasks": ["1"], "action": "finish"}'], chunk=3)
    events: list[object] = []
    policy = CompilerPolicy(
        LLMPlanner(model, TOOLS),
        Executor(TOOLS, observe=events.append),
        Joiner(model, TOOLS),
        pipeline=Pipeline(TOOLS, passes),
        observe=events.append,
    )
    conclusion = await policy.answer("?")
    assert sum(isinstance(event, TaskStarted) for event in events) == calls
    assert conclusion.text == "yes"
    told = [type(event).__name__ for event in events if type(event).__name__ in ("TaskReused", "PlanRewritten")]
    assert told == {3: [], 2: ["TaskReused"], 1: ["TaskReused", "PlanRewritten"]}[calls]
