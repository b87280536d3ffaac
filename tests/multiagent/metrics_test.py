"""Task metrics against values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiagent.metrics import choice, exact_match, f1, numeric, same_answer


@pytest.mark.parametrize(
    ("metric", "answer", "reference", "value"),
    [
        (f1, "the spirit", "a spirit", 1.0),
        (f1, "a kind of spirit", "spirit", 0.5),
        (f1, "New York City", "New York", 0.8),
        (f1, None, "x", 0.0),
        (f1, "", "x", 0.0),
        (f1, "b", ["a b c", "b"], 1.0),
        (exact_match, "The  Spirit!", "spirit", 1.0),
        (exact_match, "spirits", "spirit", 0.0),
        (numeric, "so 3 + 4 = 7 dollars", "#### 7", 1.0),
        (numeric, "$1,200.00", "1200", 1.0),
        (numeric, "-5", "5", 0.0),
        (numeric, "none", "5", 0.0),
        (choice, "(b)", "B", 1.0),
        (choice, "B. Because it's so", "B", 1.0),
        (choice, "None of these", "B", 0.0),
    ],
)
def test_metrics(metric, answer, reference, value):
    assert metric(answer, reference) == pytest.approx(value)


@given(st.text(), st.text())
def test_f1_is_symmetric_and_in_range(one, other):
    assert 0.0 <= f1(one, other) <= 1.0
    assert f1(one, other) == f1(other, one)


@given(st.text(), st.text())
def test_same_answer_is_symmetric_and_reflexive(one, other):
    assert same_answer(one, one)
    assert same_answer(one, other) == same_answer(other, one)
