"""Reading workflows: what YAML means, what is checked, and that every problem is told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrt import Tool
from agentrt.workflows import InvalidInputs, InvalidWorkflow, Workflow, json_schema
from agentrt.workflows.source import Source
from agentrt.workflows.tree import read_tree

HEAD = "agentrt: 1\nname: t\ninputs: {title: string, n: {type: integer, default: 2}}\ntasks:\n"


def problems(text: str, tools: list[Tool] | None = None, **options: Any) -> list[str]:
    with pytest.raises(InvalidWorkflow) as caught:
        Workflow.from_text(text, name="t.yaml", tools=tools, **options)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-25", "2026-11-25"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ('"1"', "1"),
        ("'null'", "null"),
        ("|\n  a\n  b", "a\nb"),
        (">\n  a\n  b", "a b"),
        ("é 漢字 😀", "é 漢字 😀"),
    ],
)
def test_scalars_mean_what_json_means_and_else_are_text(written: str, value: object) -> None:
    found = read_tree(Source("t", f"key: {written}")).value["key"]
    assert found == value
    assert type(found) is type(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8"), max_size=12),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=150)
def test_json_is_read_as_json_reads_it_or_refused(value: object) -> None:
    text = json.dumps({"x": value}, ensure_ascii=False)
    try:
        root = read_tree(Source("t", text))
    except InvalidWorkflow as error:
        (problem,) = error.problems
        assert "cannot be part of a workflow" in problem.message
    else:
        assert root.value == {"x": value}


@given(st.text(st.sampled_from("ab:{}[]-,\n \"'&*!|>#%@\t?"), max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    try:
        Workflow.from_text(text)
    except InvalidWorkflow as error:
        lines = text.split("\n")
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def test_every_problem_is_told_at_once_in_the_order_of_the_file(tools: list[Tool]) -> None:
    text = HEAD + (
        "  a: {call: serch, with: {title: x}}\n"
        "  b: {ask: 'about ${aa}', timeout: soon, tyop: 1}\n"
        "  c: {call: search, with: {titel: x}, when: '${b} ='}\n"
        "output: ${d}\n"
        "nmae: x\n"
    )
    found = problems(text, tools)
    assert [problem.partition(": ")[0] for problem in found] == [
        "t.yaml:5:13",
        "t.yaml:6:19",
        "t.yaml:6:36",
        "t.yaml:6:42",
        "t.yaml:7:27",
        "t.yaml:7:28",
        "t.yaml:7:51",
        "t.yaml:8:9",
        "t.yaml:9:1",
    ]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("{ask: x, foreach: {items: [], itms: 1}}", "no key 'itms' here; did you mean items?"),
        ("{ask: x, foreach: 5}", "foreach must be text or a list or a mapping, not 5"),
        ("{ask: x, retry: {attempts: 0}}", "retry.attempts: input should be greater than or equal to 1"),
        ("{ask: x, retry: {on: [KeyError]}}", "retry.on.0: input should be 'ArithmeticError'"),
        ("{ask: x, timeout: 0}", "timeout: input should be greater than 0"),
        ("{ask: x, on_error: ignore}", "on_error: input should be 'fail', 'skip' or 'continue'"),
        ("{ask: [x]}", "ask must be text, not ['x']"),
        ("{ask: 5}", "ask must be text, not 5; put it in quotes"),
        ("{ask: x, after: [nowhere]}", "comes after 'nowhere', which no step is called"),
        ("{ask: x, after: s}", "comes after itself"),
        ("{ask: '${item}'}", "${item} means nothing here; add `foreach:`"),
        ("{ask: x, foreach: '${item}'}", "stands for the element inside a step's arguments"),
        ("{ask: x, when: '${inputs.n} == true'}", "they are never equal"),
        ("{ask: x, when: '${inputs.title}'}", "neither true nor false; compare it"),
        ("{ask: x, when: '${inputs.n} in 3'}", "looks in a list or a text"),
        ("{ask: '${left'}", "this is not a reference"),
        ("{ask: '${title}'}", "an input is ${inputs.title}"),
        ("{plan: x, tools: [serch]}", "no tool called 'serch'; did you mean search?"),
        ("{plan: x, limits: {tokens: -1}}", "limits.tokens: input should be greater than or equal to 1"),
        ("{plan: x, limits: {hops: 1}}", "no key 'hops' here; there are: tasks, replans, tokens"),
        ("{converse: x, format: esperanto}", "no format 'esperanto'"),
        ("{converse: x, protocol: exchange}", "an exchange needs contexts"),
        ("{retrieve: x}", "no tool called 'knowledge_graph'"),
        ("{retrieve: x, graph: serch}", "no tool called 'serch'; did you mean search?"),
        ("{run: other.yaml}", "no workflow 'other.yaml'"),
        ("{run: s, retry: 2}", "no workflow 's'"),
        ("{ask: x, schema: {type: objekt}}", "there is no type 'objekt'; did you mean object?"),
        ("{call: search, with: {title: '${inputs.n}'}}", "${inputs.n} does not fit title"),
        ("{call: search, with: {title: '${l}'}}", 'use foreach: "${l}" and ${item}'),
        ("{call: search, with: [x]}", "with must be a mapping, not ['x']"),
        ("{call: search, with: {title: x}, foreach: '${l.x}'}", "it is a list and has no field 'x'"),
        ("{ask: x, approve: 'Use ${l}?'}", "a question for a person may use inputs only"),
        ("{ask: x, approve: 'Use ${inputs.titel}?'}", "did you mean title?"),
        ("[x]", "is not a mapping"),
        ("5", "is not a mapping"),
    ],
)
def test_a_step_that_is_wrong_is_told_how(step: str, says: str, tools: list[Tool]) -> None:
    found = problems(HEAD + f"  l: {{call: titles}}\n  s: {step}\n", tools)
    assert len(found) == 1, found
    assert says in found[0]
    assert found[0].startswith("t.yaml:6:")


@pytest.mark.parametrize("name", ["inputs", "item"])
def test_names_that_references_use_are_no_names_for_steps(name: str) -> None:
    assert "cannot be called" in problems(HEAD + f"  {name}: {{ask: x}}\n")[0]


def test_a_name_with_other_characters_is_refused() -> None:
    (found,) = problems(HEAD + "  a.b: {ask: x}\n")
    assert found.startswith("t.yaml:5:3: 'a.b' is no name")


def test_amounts_and_doubled_dollars_are_text() -> None:
    workflow = Workflow.from_text(HEAD + "  a: {ask: 'it costs $15 or $$x, $1.50'}\n  b: {ask: $15}\n")
    assert workflow.plan({"title": "x"}).to_json()[0]["args"] == {"prompt": "it costs $$15 or $$x, $$1.50"}
    assert workflow.plan({"title": "x"})["b"].args == {"prompt": "$15"}


def test_inputs_are_data_whatever_they_contain() -> None:
    workflow = Workflow.from_text(HEAD + "  a: {ask: 'about ${inputs.title}'}\n  b: {ask: '${inputs.title}'}\n")
    plan = workflow.plan({"title": "${a} $1 {{x}} ${b.c}"})
    assert plan["a"].args["prompt"] == "about ${a} $1 {{x}} ${b.c}"
    assert plan["b"].args["prompt"] == "${a} $1 {{x}} ${b.c}"
    assert plan["b"].needs == ()


def test_inputs_that_do_not_fit_are_all_named() -> None:
    workflow = Workflow.from_text(HEAD + "  a: {ask: x}\n")
    with pytest.raises(InvalidInputs) as caught:
        workflow.plan({"titel": "x", "n": "3"})
    assert len(caught.value.problems) == 3
    assert "did you mean title?" in str(caught.value)
    assert "input 'title' is missing" in str(caught.value)
    assert "input n must be an integer, not '3'" in str(caught.value)


def test_a_part_that_an_input_does_not_have_is_an_error_of_the_inputs() -> None:
    workflow = Workflow.from_text(
        "agentrt: 1\nname: t\ninputs: {who: object}\ntasks:\n  a: {ask: '${inputs.who.name}'}\n"
    )
    assert workflow.plan({"who": {"name": "Ann"}})["a"].args == {"prompt": "Ann"}
    with pytest.raises(InvalidInputs, match="there is no key 'name'"):
        workflow.plan({"who": {}})


def test_without_output_a_workflow_gives_the_steps_nobody_uses() -> None:
    one = Workflow.from_text(HEAD + "  a: {ask: x}\n  b: {ask: '${a}'}\n")
    assert one.output_of({"title": "t"}, {"a": 1, "b": 2}) == 2
    two = Workflow.from_text(HEAD + "  a: {ask: x}\n  b: {ask: y}\n")
    assert two.output_of({"title": "t"}, {"a": 1}) == {"a": 1, "b": None}


def test_an_output_takes_the_first_that_is_there() -> None:
    workflow = Workflow.from_text(HEAD + "  a: {ask: x}\n  b: {ask: y}\noutput: {first_of: ['${a}', '${b}', none]}\n")
    assert workflow.output_of({"title": "t"}, {"a": 1, "b": 2}) == 1
    assert workflow.output_of({"title": "t"}, {"b": 2}) == 2
    assert workflow.output_of({"title": "t"}, {}) == "none"


def test_data_reads_as_a_file_does(tools: list[Tool]) -> None:
    data: dict[str, Any] = {
        "agentrt": 1,
        "name": "t",
        "inputs": {"title": "string"},
        "tasks": {"a": {"call": "search", "with": {"title": "${inputs.title}"}}, "b": {"ask": "${a.text}"}},
    }
    text = "agentrt: 1\nname: t\ninputs: {title: string}\ntasks:\n"
    text += "  a: {call: search, with: {title: '${inputs.title}'}}\n  b: {ask: '${a.text}'}\n"
    given = {"title": "Heat"}
    assert Workflow.from_data(data, tools=tools).plan(given) == Workflow.from_text(text, tools=tools).plan(given)
    data["tasks"]["b"]["ask"] = "${a.txt}"
    with pytest.raises(InvalidWorkflow, match="did you mean text"):
        Workflow.from_data(data, tools=tools)


def test_nested_files_are_checked_with_the_file_that_runs_them(tmp_path: Path, tools: list[Tool]) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.yaml").write_text(
        "agentrt: 1\nname: inner\ninputs: {n: integer}\n"
        "tasks:\n  a: {call: serch, with: {title: x}}\noutput: {title: '${a}'}\n"
    )
    outer = tmp_path / "outer.yaml"
    outer.write_text(
        "agentrt: 1\nname: outer\ntasks:\n"
        "  i: {run: sub/inner.yaml, with: {n: one}}\n"
        "  j: {run: sub/inner.yaml, with: {m: 1}}\n"
        "  k: {ask: '${i.titel}'}\n"
    )
    with pytest.raises(InvalidWorkflow) as caught:
        Workflow.load(outer, tools=tools)
    found = [f"{Path(problem.file).name}:{problem.line} {problem}" for problem in caught.value.problems]
    assert len(found) == 5
    assert "outer.yaml:4" in found[0] and "n must be an integer" in found[0]
    assert "outer.yaml:5" in found[1] and "'n' is missing" in found[1] + found[2]
    assert "outer.yaml:6" in found[3] and "no field 'titel'; did you mean title?" in found[3]
    assert "inner.yaml:5" in found[4] and "no tool called 'serch'" in found[4]


def test_the_editors_schema_takes_good_workflows_and_refuses_bad_ones() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    examples = Path(__file__).parents[2] / "examples" / "workflows"
    files = [*examples.rglob("*.yaml")]
    assert files
    for file in files:
        value = read_tree(Source(file.name, file.read_text())).value
        assert not [*validator.iter_errors(value)], file.name
    for bad in ({}, {"agentrt": 1, "name": "x", "tasks": {"a": {"aks": 1}}}, {"agentrt": 2, "name": "x", "tasks": {}}):
        assert [*validator.iter_errors(bad)]
