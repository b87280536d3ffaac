"""Where nodes go: right of what they need, no two in one place, the same every time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentrt.trace.layout import layout


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(0, 40))
    needs: dict[str, list[str]] = {}
    for number in range(count):
        earlier = st.sampled_from([*needs, "not there"]) if needs else st.just("not there")
        needs[f"t{number}"] = draw(st.lists(earlier, max_size=4))
    names = draw(st.permutations(list(needs)))
    return {name: needs[name] for name in names}


@given(dags(), st.integers(1, 8))
def test_every_node_is_right_of_what_it_needs_and_alone_in_its_place(needs: dict[str, list[str]], tallest: int) -> None:
    spots = layout(needs, tallest=tallest)
    assert spots.keys() == needs.keys()
    for name, wanted in needs.items():
        assert all(spots[name].column > spots[need].column for need in wanted if need in spots)
    for column in {spot.column for spot in spots.values()}:
        rows = sorted(spot.row for spot in spots.values() if spot.column == column)
        assert len(rows) <= tallest
        assert all(below - above > 0.999 for above, below in pairwise(rows))
    assert min((spot.row for spot in spots.values()), default=0) == 0
    assert layout(needs, tallest=tallest) == spots


def test_a_chain_is_a_straight_line() -> None:
    spots = layout({"a": [], "b": ["a"], "c": ["b"]})
    assert [spots[name] for name in "abc"] == [(0, 0), (1, 0), (2, 0)]


def test_parallel_chains_do_not_cross() -> None:
    needs = {f"{row}{column}": [f"{row}{column - 1}"] if column else [] for column in range(4) for row in "abcd"}
    spots = layout(needs)
    for row in "abcd":
        assert len({spots[f"{row}{column}"].row for column in range(4)}) == 1
