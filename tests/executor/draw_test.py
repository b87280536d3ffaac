"""Plans as pictures. Whatever a model writes into a plan stays inside its label."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from executor import Plan, Ref, Task, dot, mermaid, parse

PLAN = Plan(
    [
        Task("1", "search", {"title": 'Ed "Wood"'}),
        Task("2", "search", {"title": parse("like $1")}),
        Task("3", "compare", {"a": Ref("1", ("country",)), "n": 2}, after=("2",)),
    ]
)


def test_mermaid() -> None:
    assert mermaid(PLAN) == (
        "flowchart TD\n"
        '    t0["1. search#40;title=#34;Ed #92;#34;Wood#92;#34;#34;#41;"]\n'
        '    t1["2. search#40;title=#34;like #36;#123;1#125;#34;#41;"]\n'
        '    t2["3. compare#40;a=#36;#123;1.country#125;, n=2#41;"]\n'
        "    t0 -.-> t1\n"
        "    t1 -.-> t2\n"
        "    t0 --> t2\n"
    )


def test_dot() -> None:
    assert dot(PLAN) == (
        "digraph plan {\n"
        "    node [shape=box];\n"
        r'    t0 [label="1. search(title=\"Ed \\\"Wood\\\"\")"];' + "\n"
        '    t1 [label="2. search(title=\\"like ${1}\\")"];\n'
        '    t2 [label="3. compare(a=${1.country}, n=2)"];\n'
        "    t0 -> t1 [style=dashed];\n"
        "    t1 -> t2 [style=dashed];\n"
        "    t0 -> t2;\n"
        "}\n"
    )


def test_long_arguments_are_cut() -> None:
    assert "…" in dot(Plan([Task("1", "say", {"text": "x" * 500})]))
    assert len(dot(Plan([Task("1", "say", {"text": "x" * 500})]))) < 150


hostile = st.text() | st.text(alphabet='"\\]}\n;#<>`%|')


@given(hostile, hostile, hostile)
def test_no_name_or_argument_leaves_its_label(name: str, call: str, text: str) -> None:
    plan = Plan([Task(name, call, {"x": text, "y": [text]})])
    first, node, rest = mermaid(plan).split("\n")
    assert (first, rest) == ("flowchart TD", "")
    assert re.fullmatch(r'    t0\["[^"\\<>`\[\]{}|]*"\]', node)
    lines = dot(plan).split("\n")
    assert len(lines) == 5
    assert re.fullmatch(r'    t0 \[label="(?:[^"\\]|\\.)*"\];', lines[2])
