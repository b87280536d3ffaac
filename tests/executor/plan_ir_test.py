"""The plan: what it refuses, what it computes, and its JSON form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import CycleError, DuplicateTask, Plan, PlanError, Ref, Task, Text, UnknownReference, parse_tree
from executor.plan import find_cycle


def task(name: str, *needs: str, after: tuple[str, ...] = (), text: str = "") -> Task:
    args: dict[str, object] = {f"a{need}": Ref(need) for need in needs}
    if text:
        args["text"] = parse_tree(text)
    return Task(name, "tool", args, after=after)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans without cycles, written in any order."""
    count = draw(st.integers(0, 8))
    tasks: list[Task] = []
    for number in range(count):
        earlier = st.sampled_from([str(n) for n in range(number)]) if number else st.nothing()
        values = st.text() | st.integers() | st.booleans() | st.none()
        if number:
            values |= st.builds(Ref, earlier, st.lists(st.text() | st.integers(-9, 9), max_size=2).map(tuple))
            values |= st.tuples(st.builds(Ref, earlier), st.text(min_size=1)).map(Text)
        tasks.append(
            Task(
                str(number),
                draw(st.text(min_size=1)),
                draw(st.dictionaries(st.text(), values | st.lists(values), max_size=3)),
                after=draw(st.lists(earlier, max_size=2).map(tuple)) if number else (),
                on_error=draw(st.sampled_from([None, "fail", "skip", "continue"])),
                thought=draw(st.text()),
            )
        )
    return Plan(draw(st.permutations(tasks)))


@settings(max_examples=60)
@given(plans())
def test_a_plan_survives_its_json_form(plan: Plan) -> None:
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.digest == plan.digest
    assert [again.waits_for(t) for t in again] == [plan.waits_for(t) for t in plan]


@settings(max_examples=40)
@given(plans())
def test_the_graph_has_an_edge_for_each_wait(plan: Plan) -> None:
    assert set(plan.graph.nodes) == {t.id for t in plan}
    assert set(plan.graph.edges) == {(need, t.id) for t in plan for need in plan.waits_for(t)}


def test_needs_are_computed_once_each_and_amounts_are_weaker() -> None:
    made = Task(
        "3", "buy", {"a": Ref("1"), "b": [Ref("1"), Ref("2", ("x",))], "c": parse_tree("$2, $4 and $3")}, ("9", "9")
    )
    assert made.needs == ("9", "1", "2")
    assert made.mentions == ("4",)
    assert made.dynamic == ("a", "b", "c")
    assert Task("1", "buy", {"a": "plain", "b": [Ref("2")]}).dynamic == ("b",)
    assert Task("1", "buy", after=("7", "7")).needs == ("7",)


def test_equal_plans_have_equal_digests_and_others_do_not() -> None:
    plan = Plan([task("1"), task("2", "1")])
    assert plan.digest == Plan([task("1"), task("2", "1")]).digest
    assert plan.digest != Plan([task("2", "1"), task("1")]).digest
    # On every machine, in every version: journals and caches refer to plans by it.
    assert plan.digest == "3c39d4d00e9148bc14e3d857de88a61254b6c02338a99a4e676aede42a12ca97"
    assert Plan([Task("1", "a", {"x": "\ud800"})]).digest


def test_ids_are_unique() -> None:
    with pytest.raises(DuplicateTask, match="task 1 is defined twice") as caught:
        Plan([task("1"), task("2"), task("1")])
    assert caught.value.task == "1"


def test_a_reference_to_nothing_names_both_ends() -> None:
    with pytest.raises(
        UnknownReference, match=r"task 2 refers to \$9, \$7, which no task defines \(the plan defines 1, 2\)"
    ):
        Plan([task("1"), task("2", "1", "7", after=("9",))])


def test_results_of_an_earlier_plan_may_be_used() -> None:
    plan = Plan([task("5", "1")], known=["1"])
    assert plan.waits_for(plan["5"]) == ()
    assert Plan.from_json(plan.to_json(), known=["1"]) == plan


def test_an_amount_in_text_is_no_reference() -> None:
    plan = Plan([task("1", text="a $15 ticket"), task("2", text="the $1 ticket")])
    assert plan.waits_for(plan["1"]) == ()
    assert plan.waits_for(plan["2"]) == ("1",)


@pytest.mark.parametrize(
    ("tasks", "path"),
    [
        ([task("1", "1")], ("1", "1")),
        ([task("1", after=("1",))], ("1", "1")),
        ([task("1", "2"), task("2", "1")], ("1", "2", "1")),
        ([task("0"), task("1", "3", "0"), task("2", "1"), task("3", "2")], ("1", "3", "2", "1")),
        ([task("1", text="see $2"), task("2", "1")], ("1", "2", "1")),
    ],
)
def test_a_circle_is_refused_and_named(tasks: list[Task], path: tuple[str, ...]) -> None:
    with pytest.raises(CycleError) as caught:
        Plan(tasks)
    assert caught.value.path == path


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=3)))
def test_a_cycle_is_found_exactly_when_there_is_one(waits: dict[int, list[int]]) -> None:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from((str(a), str(b)) for a, needs in waits.items() for b in needs)
    cycle = find_cycle(map(str, waits), lambda name: map(str, waits.get(int(name), ())))
    assert bool(cycle) is not nx.is_directed_acyclic_graph(graph)
    assert all(graph.has_edge(a, b) for a, b in pairwise(cycle))
    assert not cycle or (cycle[0] == cycle[-1] and len(set(cycle)) == len(cycle) - 1)


def test_a_chain_longer_than_the_stack_is_checked() -> None:
    chain = [task("0"), *(task(str(n), str(n - 1)) for n in range(1, 20_000))]
    assert len(Plan(reversed(chain))) == 20_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "a task is written"),
        ({"id": "1"}, "a task is written"),
        ({"id": None, "call": "a"}, "a task is written"),
        ({"id": "1", "call": 3}, "a task is written"),
        ({"id": "1", "call": "a", "args": [1]}, "task 1: args must be a mapping"),
        ({"id": "1", "call": "a", "after": "23"}, "task 1: after must be a list"),
        ({"id": "1", "call": "a", "on_error": "explode"}, "must be one of fail, skip, continue, not 'explode'"),
        ({"id": "1", "call": "a", "on_error": ["skip"]}, "must be one of fail, skip, continue"),
    ],
)
def test_json_that_is_no_task_says_why(data: dict[str, Any], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        Plan.from_json([data])


def test_numbers_are_fine_as_ids_in_json() -> None:
    plan = Plan.from_json([{"id": 1, "call": "a"}, {"id": 2, "call": "b", "args": {"x": "$1"}, "after": [1]}])
    assert plan["2"].needs == ("1",)


def test_a_plan_is_a_container() -> None:
    plan = Plan([task("1"), task("2", "1")])
    assert len(plan) == 2
    assert "1" in plan and "3" not in plan
    assert [t.id for t in plan] == ["1", "2"]
    assert repr(plan) == "Plan(1:tool, 2:tool)"
    assert plan != 1
