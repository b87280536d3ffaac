"""Trees of turns and the choice of dialogues and pairs: the rules of the paper, one by one."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiagent import Transcript, Turn, Usage
from multiagent.training import AtRandom, ByInfluence, ByValue, PairRules, TreeSettings, without_displacement
from multiagent.training.select import best_dialogues, refuel_rows, tree_pairs
from multiagent.training.tree import TurnTree, edit_distance
from multiagent.trajectories import Pair, Rating, Trajectory


def grown(*dialogues, **settings):
    tree = TurnTree("?", TreeSettings(**settings))
    for start, *texts in dialogues:
        before = tree.transcript(start)
        turns = [Turn("ab"[(len(before) + at) % 2], text) for at, text in enumerate(texts)]
        tree.insert(start, Transcript("?", (*before.turns, *turns)), texts[-1], "agreement")
    return tree


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("kitten", "sitting", 3 / 7), ("", "", 0.0), ("", "ab", 1.0), ("abc", "abc", 0.0), ("ab", "ba", 1.0)],
)
def test_edit_distance(one, other, distance):
    assert edit_distance(one, other) == pytest.approx(distance)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_edit_distance_is_a_distance(one, other, third):
    assert edit_distance(one, other) == edit_distance(other, one)
    assert 0.0 <= edit_distance(one, other) <= 1.0
    longest = max(len(one), len(other), len(third))
    lengths = [max(len(a), len(b)) * edit_distance(a, b) for a, b in ((one, third), (one, other), (other, third))]
    assert lengths[0] <= lengths[1] + lengths[2] + 1e-9 * longest


def test_siblings_that_are_nearly_the_same_are_one_node():
    tree = grown([0, "the same beginning here", "x"], [0, "the same beginning herE", "y"], [0, "something else", "z"])
    assert len(tree.nodes[0].children) == 2
    assert tree.visits(tree.nodes[0].children[0]) == 2


def test_values_are_means_over_rollouts():
    tree = grown([0, "one way", "x"], [0, "one way", "y"], [0, "another way altogether", "z"])
    values = tree.values([1.0, 0.0, float("nan")])
    assert values[0] == 0.5 and values[tree.nodes[0].children[0]] == 0.5
    assert tree.nodes[0].children[1] not in values


def test_what_may_be_expanded():
    tree = grown([0, "first words", "second words", "third words", "the end"])
    assert tree.candidates() == [0], "the root comes first"
    tree.nodes[0].expanded = True
    assert tree.candidates() == [1, 2], "no leaf and no parent of a leaf"
    tree.nodes[1].expanded = True
    assert tree.candidates() == [2]
    near = grown([0, "the same words one", "the same words two", "other", "the end"])
    near.nodes[0].expanded = near.nodes[1].expanded = True
    assert near.candidates() == [], "too near an expanded one"
    deep = grown([0, "aaaa", "bbbb", "cccc", "dddd", "eeee"], depth=2)
    deep.nodes[0].expanded = True
    assert deep.candidates() == [1]


def test_the_softmax_prefers_value_and_keeps_to_the_top():
    tree = grown(*([0, chr(97 + n) * 9, chr(110 + n) * 9, "x" * n + "zz", "end"] for n in range(4)), top=2)
    tree.nodes[0].expanded = True
    values = {number: float(number == 1) + 0.5 * (number == 5) for number in range(20)}
    random = Random(1)
    chosen = [tree.choose(values, random) for _ in range(400)]
    assert set(chosen) == {1, 5} and chosen.count(1) > chosen.count(5)


def node(name, text, parent="root", speaker="a", **fields):
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
    fields = {"task": "t", **fields}
    said = Transcript("?", (Turn(speaker, text, usage=Usage(completion=5)),))
    return Trajectory(name, "tree", transcript=said, chats={speaker: chat}, parent=parent, **fields)


def rated(**values):
    return {name: Rating(name, value) for name, value in values.items()}


def test_a_pair_is_the_best_and_the_worst_child():
    nodes = [node(name, f"text {name}") for name in "xyz"]
    (pair,) = tree_pairs(nodes, rated(x=0.9, y=0.5, z=0.1), PairRules())
    assert pair.prompt == [{"role": "user", "content": "?"}]
    assert (pair.chosen[0]["content"], pair.rejected[0]["content"]) == ("text x", "text z")
    assert pair.gap == pytest.approx(0.8)


@pytest.mark.parametrize("values", [{"x": 0.4, "y": 0.0}, {"x": 0.9, "y": 0.75}, {"x": 0.9}])
def test_pairs_that_do_not_pass(values):
    assert tree_pairs([node(name, name) for name in values], rated(**values), PairRules()) == []


def test_a_pair_is_of_one_speaker_and_one_parent():
    nodes = [node("x", "x"), node("y", "y", speaker="b"), node("z", "z", parent="other")]
    assert tree_pairs(nodes, rated(x=0.9, y=0.1, z=0.1), PairRules()) == []


def test_refuel_keeps_what_the_filters_drop():
    nodes = [node(name, name) for name in "xyz"]
    rows = refuel_rows(nodes, rated(x=0.2, y=0.1, z=0.1))
    assert [row["rewards_to_go"] for row in rows] == [[0.2, 0.1], [0.1, 0.1]]
    assert rows[0]["responses"][0] == [{"role": "assistant", "content": "x"}]


def test_best_dialogues_one_a_task_then_the_best_share_then_the_threshold():
    nodes = [node(f"{task}{n}", "x", None, task=task, stop_reason="agreement") for task in "abcd" for n in "01"]
    values = rated(a0=0.9, a1=0.95, b0=0.8, b1=0.1, c0=0.6, c1=0.2, d0=0.55, d1=0.3)
    assert [one.id for one in best_dialogues(nodes, values, keep=0.7, threshold=0.7)] == ["a1", "b0"]
    assert len(best_dialogues(nodes, values, keep=0.7, threshold=0.0)) == 3
    assert best_dialogues(nodes, values, keep=0.7, threshold=2.0) == []
    assert best_dialogues(nodes, {}, keep=0.7, threshold=0.0) == []


def pairs(*values):
    return [Pair([], [], [], value_chosen=value) for value in values]


def test_selectors_are_pluggable():
    some = pairs(0.5, 0.9, 0.7, 0.6)
    assert [pair.value_chosen for pair in ByValue().select(some, 0.5)] == [0.9, 0.7]
    assert AtRandom(1).select(some, 0.5) == AtRandom(1).select(some, 0.5)
    assert len(AtRandom(1).select(some, 0.5)) == 2 and AtRandom().select([], 0.5) == []
    wanted = ByInfluence(lambda model, given: [-pair.value_chosen for pair in given])
    assert [pair.value_chosen for pair in wanted.select(some, 0.25)] == [0.5]


def test_pairs_that_displace_likelihood_are_dropped():
    some = pairs(0.1, 0.2, 0.3, 0.4)
    assert [pair.value_chosen for pair in without_displacement(some, [-1, 5, -3, 0], drop=0.25)] == [0.1, 0.3, 0.4]
    with pytest.raises(ValueError, match="4 pairs need as many scores"):
        without_displacement(some, [1.0])
