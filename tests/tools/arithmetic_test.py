from __future__ import annotations

import ast
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.tools import CalculationError
from agentrt.tools.arithmetic import CONSTANTS, FUNCTIONS, to_python


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("1 + 1", "1+1"),
        ("7,300 * 2", "7300*2"),
        ("1,234,567.5", "1234567.5"),
        ("1_000", "1000"),
        ("007", "7"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("2^10", "2**10"),
        ("3 x 4", "3*4"),
        ("3x4", "3*4"),
        ("6 ÷ 2 − 1 × 5", "6/2-1*5"),
        ("15% of 80", "(15/100)*80"),
        ("(5+10)% of 80", "((5+10)/100)*80"),
        ("sqrt(4)% of 80", "(sqrt(4)/100)*80"),
        ("17 % 5", "17%5"),
        ("17%(2+3)", "17%(2+3)"),
        ("20% * 50", "(20/100)*50"),
        ("20% x 50", "(20/100)*50"),
        ("-15%", "-(15/100)"),
        ("200*(1+15%)", "200*(1+(15/100))"),
        ("10% + 5%", "(10/100)+(5/100)"),
        ("$2.5 million / 2", "(2.5*1000000)/2"),
        ("2 + 2 =", "2+2"),
        ("2 + 2 = ?", "2+2"),
        ("math.sqrt(16) + PI", "sqrt(16)+pi"),
        ("ln(e)", "log(e)"),
        ("max(7, 300)", "max(7,300)"),
        ("max((7,300), 1)", "max((7300),1)"),
        ("sum([1, 2])", "sum([1,2])"),
        ("1e3 + 2E-2", "1e3+2E-2"),
    ],
)
def test_what_people_write(written: str, python: str) -> None:
    assert to_python(written) == python


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "empty"),
        ("=", "empty"),
        ("100 + 15%", "can mean two things"),
        ("2*1 + 15%", "can mean two things"),
        ("100 / 15% of 80", "can mean two things"),
        ("max(7,300)", "write 7, 300 or 7300"),
        ("2(3)", "write \\* for times"),
        ("2 pi", "write \\* for times"),
        ("1 000", "operator is missing"),
        ("7,3000", "parts thousands"),
        ("7300,000", "does not part thousands"),
        ("1,5", "decimal point"),
        ("sqrt 4", "brackets: sqrt"),
        ("sqrt", "brackets: sqrt"),
        ("sqrt[4]", "brackets: sqrt"),
        ("sqroot(4)", "did you mean 'sqrt'"),
        ("12 km", "'km' is not a number"),
        ("80 of", "'of' is not a number"),
        ("__import__('os')", "'__import__' is not a number"),
        ("(1).real", "not arithmetic"),
        ("'a' * 3", "not arithmetic"),
        ("1 < 2", "not arithmetic"),
        ("x = 1", "should stand before"),
        ("1; 2", "not arithmetic"),
        ("(1", "never closed"),
        ("1)", "closes nothing"),
        ("(1]", "closes nothing"),
        ("()", "should stand before"),
        ("max(,)", "before the comma"),
        ("1 +", "ends where a number"),
        ("* 2", "should stand before"),
        ("٣", "not arithmetic"),
        ("(" * 5_000 + "1" + ")" * 5_000, "10,001 characters"),
        ("(" * 65 + "1" + ")" * 65, "more than 64 brackets"),
    ],
)
def test_what_is_refused(written: str, problem: str) -> None:
    with pytest.raises(CalculationError, match=problem) as caught:
        to_python(written)
    assert len(str(caught.value)) < 250


@given(
    st.text("0123456789.,+-*/%^()[]x $€eE_" + "of sqrtpimax million" + "×÷−\n'\"=;:<@", max_size=40)
    | st.text(max_size=40)
)
def test_only_arithmetic_comes_out(text: str) -> None:
    try:
        written = to_python(text)
    except CalculationError:
        return
    try:
        tree = ast.parse(written, mode="eval")
    except (SyntaxError, RecursionError):  # refused by the sandbox in the same way
        return
    allowed = (
        *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Call, ast.Name, ast.List, ast.Tuple, ast.Load),
        *(ast.operator, ast.unaryop),
    )
    for node in ast.walk(tree):
        assert isinstance(node, allowed)
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int | float)
        if isinstance(node, ast.Name):
            assert node.id in FUNCTIONS | CONSTANTS
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_trees: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 10**7), lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner), max_leaves=12
)


def _value(tree: Any) -> int:
    return tree if isinstance(tree, int) else _OPERATORS[tree[1]](_value(tree[0]), _value(tree[2]))


def _written(tree: Any) -> str:
    if isinstance(tree, int):
        return f"{tree:,}" if tree % 2 else str(tree)
    return f"({_written(tree[0])} {tree[1].replace('*', '×')} {_written(tree[2])})"


@given(_trees)
def test_the_value_is_kept(tree: Any) -> None:
    python = ast.parse(to_python(_written(tree)), mode="eval")

    def evaluate(node: ast.AST) -> int:
        if isinstance(node, ast.BinOp):
            sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}[type(node.op)]
            return _OPERATORS[sign](evaluate(node.left), evaluate(node.right))
        assert isinstance(node, ast.Constant)
        assert isinstance(node.value, int)
        return node.value

    assert evaluate(python.body) == _value(tree)
