"""What holds for every plan text: cuts do not matter, nothing raises, writing and reading are inverse."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Plan, Task
from planner import PlanChecker, PlanNotice, PlanProblem, PlanReader, as_lines
from planner.checks import Item
from tests.planner.plan_text_strategies import mutated, noise, pieces, plan_texts, tasks
from tests.planner.planner_tools import TOOLS, read


def read_pieces(parts: list[str], max_line: int = 20_000) -> list[Item]:
    reader = PlanReader(PlanChecker(TOOLS, max_tasks=20), max_line=max_line)
    return [item for part in parts for item in reader.feed(part)] + reader.close()


def shown(items: list[Item]) -> list[object]:
    """Items as data that can be compared: errors have no equality of their own."""
    return [
        (item.place, type(item.error), str(item.error), item.hint) if isinstance(item, PlanProblem) else item
        for item in items
    ]


@given(tasks())
@settings(max_examples=300)
def test_what_is_written_is_read(written: list[Task]) -> None:
    reading = read(as_lines(written, TOOLS) + "\njoin()")
    assert not reading.problems
    assert list(reading.tasks) == written
    assert list(read(as_lines(written) + "\njoin()").tasks) == written


@given(st.data())
@settings(max_examples=150)
def test_cuts_do_not_matter(data: st.DataObject) -> None:
    text = data.draw(plan_texts() | mutated() | noise())
    whole = shown(read_pieces([text]))
    assert shown(read_pieces(data.draw(pieces(text)))) == whole


@given(st.data())
@settings(max_examples=300)
def test_cuts_do_not_matter_where_lines_are_too_long(data: st.DataObject) -> None:
    text = data.draw(plan_texts() | mutated() | noise())
    limit = data.draw(st.integers(1, 60))
    assert shown(read_pieces(data.draw(pieces(text)), limit)) == shown(read_pieces([text], limit))


@given(mutated() | noise() | st.text(max_size=200))
@settings(max_examples=150)
def test_no_text_raises_and_what_comes_out_can_run(text: str) -> None:
    items = read_pieces([text])
    given_out: list[Task] = []
    for item in items:
        if isinstance(item, Task):
            known = {task.id for task in given_out}
            assert known.issuperset((*item.needs, *item.mentions)), "a task came before one it needs"
            given_out.append(item)
        else:
            assert isinstance(item, PlanNotice | PlanProblem)
            assert item.place.line >= 1
            assert item.place.column >= 1
            assert 0 <= item.place.caret <= len(item.place.excerpt)
            assert "\n" not in item.place.excerpt
            assert str(item)
    Plan(given_out)


@given(tasks(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_the_order_of_lines_does_not_matter(written: list[Task], chance: object) -> None:
    shuffled = list(written)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    reading = read(as_lines(shuffled) + "\njoin()")
    assert not reading.problems
    assert sorted(reading.tasks, key=lambda task: int(task.id)) == written
