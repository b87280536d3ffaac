"""The small language of `when`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.workflows.conditions import ConditionError, parse_condition
from executor import condition_from_json, condition_to_json, holds

RESULTS: dict[str, Any] = {
    "v": {"same": False, "n": 3, "name": "Heat", "odd key}": 1},
    "hits": ["a", "b"],
    "none": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${v.same} == false", True),
        ("${v.same}", False),
        ("not ${v.same}", True),
        ("${v.n} > 2 and ${v.n} <= 3.0", True),
        ("${v.n} < 2 or ${v.name} == 'Heat'", True),
        ('${v.name} != "Heat"', False),
        ("${v.name} in ['Heat', 'Alien']", True),
        ("'c' not in ${hits}", True),
        ("'b' in ${hits}", True),
        ("${none} == null", True),
        ('${v["odd key}"]} == 1', True),
        ("not (${v.same} or ${v.n} == 3)", False),
        ("not not true", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not false and false", False),
        ("${v.n} in []", False),
        ("-1.5e1 < ${v.n}", True),
        (r"'it\'s' == 'it\'s'", True),
        ("${hits[0]}=='a'and true", True),
    ],
)
def test_it_means_what_it_says(text: str, expected: bool) -> None:
    condition = parse_condition(text).condition
    assert holds(condition, RESULTS) is expected
    assert condition_from_json(condition_to_json(condition)) == condition


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("", 0, "empty"),
        ("${a} = 1", 5, "write =="),
        ("${a} && ${b}", 5, "write and"),
        ("!${a}", 0, "write not"),
        ("${a} == yes", 8, "write 'yes' for a text"),
        ("${a} == 'x", 8, "closing quote"),
        ("(${a}", 5, "add )"),
        ("${a} ${b}", 5, "join conditions with and, or"),
        ("1 < ${a} < 3", 9, "write a < b and b < c"),
        ("${a} + 1 > 2", 5, "does not calculate"),
        ("$a == 1", 0, "a reference is written"),
        ("${a b}", 0, "a reference is written"),
        ("${a} ==", 7, "a value is missing"),
        ("and", 0, "a value is missing before 'and'"),
        ("${a} in [1", 10, "add ]"),
        ("${a} in [[1]]", 9, "holds no lists"),
        ("a" * 3_000, 0, "at most"),
        ("(" * 100 + "true" + ")" * 100, 21, "nested"),
        ("not " * 100 + "true", 84, "nested"),
        ("__import__('os').system('ls')", 16, "'.' means nothing"),
        ("1" * 400 + " == 1", 0, "too many digits"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, offset: int, says: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert caught.value.offset == offset
    assert says in f"{caught.value}; {caught.value.hint}"


literals = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6),
    st.text(max_size=8),
)


def written(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def tree(depth: int) -> st.SearchStrategy[tuple[str, bool]]:
    """The text of a condition, and whether it holds, worked out beside it."""

    def equal(pair: tuple[object, object]) -> tuple[str, bool]:
        return f"{written(pair[0])} == {written(pair[1])}", pair[0] == pair[1]

    leaf = st.one_of(st.booleans().map(lambda b: (written(b), b)), st.tuples(literals, literals).map(equal))
    if not depth:
        return leaf
    inner = tree(depth - 1)
    return st.one_of(
        leaf,
        inner.map(lambda one: (f"not ({one[0]})", not one[1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] and two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]})or({two[1][0]})", two[0][1] or two[1][1])),
    )


@given(tree(3))
def test_any_condition_reads_back_with_its_meaning(case: tuple[str, bool]) -> None:
    text, expected = case
    assert holds(parse_condition(text).condition, {}) is expected


@given(st.text(alphabet=st.sampled_from("${}[]()'\"a.1=<>!andortin \\-,"), max_size=40))
def test_no_text_does_anything_but_parse_or_be_refused_inside_itself(text: str) -> None:
    try:
        parse_condition(text)
    except ConditionError as error:
        assert 0 <= error.offset <= len(text)
