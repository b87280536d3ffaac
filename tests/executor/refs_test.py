"""References: how they are written, read, followed and rendered."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from executor import Ref, Text, as_text, parse, parse_tree, plain
from executor.refs import references, render_tree, resolve

ids = st.one_of(st.integers(0, 9999).map(str), st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True))
steps = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), st.text()
)
refs = st.builds(Ref, ids, st.lists(steps, max_size=4).map(tuple))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    scalars | refs | st.lists(refs | st.text(min_size=1), min_size=2, max_size=4).map(tuple).map(Text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$", "$"),
        ("$x", "$x"),
        ("$1", Ref("1")),
        ("${1}", Ref("1")),
        ("${search-2}", Ref("search-2")),
        ("$1.name[0]", Ref("1", ("name", 0))),
        ("$12[-1]", Ref("12", (-1,))),
        ("${search.hits[0].title}", Ref("search", ("hits", 0, "title"))),
        ("$1['first name']", Ref("1", ("first name",))),
        ('$1["a"]["b c"]', Ref("1", ("a", "b c"))),
        (r'$1["a\"b\\c]"]', Ref("1", ('a"b\\c]',))),
        ("$$1", "$1"),
        ("$$$$", "$$"),
        ("$$$1", Text(("$", Ref("1")))),
        ("about $1.", Text(("about ", Ref("1"), "."))),
        ("$1$2", Text((Ref("1"), Ref("2")))),
        ("$1 x", Text((Ref("1"), " x"))),
        ("${", "${"),
        ("${a b}", "${a b}"),
        ("${}", "${}"),
        ("$1[", Text((Ref("1"), "["))),
        ("$1[x]", Text((Ref("1"), "[x]"))),
        ("$١", "$١"),  # a digit, but not one that ids are made of
    ],
)
def test_references_are_read_once(written: str, read: object) -> None:
    assert parse(written) == read


def test_an_index_too_long_for_a_number_is_text() -> None:
    assert parse("$1[" + "9" * 5000 + "]") == Text((Ref("1"), "[" + "9" * 5000 + "]"))


@given(st.text(alphabet=st.sampled_from("$${}[]\"'\\.-019azé ١\n") | st.characters()))
def test_no_text_breaks_the_reader_and_what_was_read_reads_the_same_again(text: str) -> None:
    read = parse(text)
    assert parse(str(render_tree(read))) == read


@given(refs)
def test_a_written_reference_reads_back(ref: Ref) -> None:
    assert parse(str(ref)) == ref


@given(trees)
def test_a_rendered_tree_reads_back_up_to_joined_text(tree: object) -> None:
    once = parse_tree(render_tree(tree))
    assert parse_tree(render_tree(once)) == once
    assert [ref for ref, _ in references(once)] == [ref for ref, _ in references(tree)]


@given(scalars.filter(lambda value: value is not None))
def test_values_that_are_no_strings_come_through_untouched(value: object) -> None:
    assert parse_tree(render_tree([value])) == [value]


@pytest.mark.parametrize("task", ["", "a b", "1.2", "a}", "é"])
def test_an_id_without_a_written_form_is_refused(task: str) -> None:
    with pytest.raises(ValueError, match="cannot be referred to"):
        Ref(task)


class Film(BaseModel):
    title: str
    cast: list[str]


@dataclass
class Point:
    x: float


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ((), {"a": 1}, {"a": 1}),
        (("a",), {"a": 1}, 1),
        ((0,), [5, 6], 5),
        ((-1,), (5, 6), 6),
        ((1,), {1: "one"}, "one"),
        (("cast", 1), Film(title="Heat", cast=["A", "B"]), "B"),
        (("x",), Point(2.0), 2.0),
        (("a b",), {"a b": None}, None),
    ],
)
def test_paths_are_followed(path: tuple[str | int, ...], value: object, part: object) -> None:
    assert Ref("1", path).follow(value) == part


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("b",), {"a": 1}, "no key 'b'; there are: a"),
        (("b",), {}, "there are: none"),
        ((2,), [5, 6], "no item 2; there are 2"),
        ((-3,), [5, 6], "no item -3"),
        (("year",), Film(title="Heat", cast=[]), "no field 'year'; there are: title, cast"),
        (("y",), Point(1.0), "no field 'y'; there are: x"),
        ((0,), "text", "a value of type str has no 0"),
        (("__class__",), Point(1.0), "no field '__class__'"),
        (("__class__",), object(), "a value of type object has no '__class__'"),
        (("model_config",), Film(title="Heat", cast=[]), "no field 'model_config'"),
        (("a",), None, "a value of type NoneType has no 'a'"),
        (("x",), {f"k{i}": i for i in range(99)}, "k9, …"),
    ],
)
def test_a_path_that_is_not_there_says_what_is(path: tuple[str | int, ...], value: object, says: str) -> None:
    with pytest.raises(LookupError, match=says.replace("[", r"\[")):
        Ref("1", path).follow(value)


def test_a_whole_value_keeps_its_type_and_a_value_in_text_is_rendered() -> None:
    film = Film(title="Heat", cast=["A"])
    results = {"1": film, "2": [1, 2]}
    resolved = resolve(
        {"whole": Ref("1"), "text": Text(("see ", Ref("1"), "; ", Ref("2"))), "deep": [Ref("2")]}, results
    )
    assert resolved == {"whole": film, "text": 'see {"title": "Heat", "cast": ["A"]}; [1, 2]', "deep": [[1, 2]]}
    assert resolve(Ref("1"), results) is film


@pytest.mark.parametrize("result", ["$2", "${2}", "$$", "{{ 2 }}", '2. search("x")', "join()", "<END_OF_PLAN>"])
def test_results_are_never_read_for_references(result: str) -> None:
    results = {"1": result, "2": "SECRET"}
    assert resolve(Ref("1"), results) == result
    assert resolve(Text(("got ", Ref("1"))), results) == f"got {result}"


@pytest.mark.parametrize("written", ["a $15 ticket", "a $15.name ticket", "the ${nobody} ticket"])
def test_an_amount_no_task_defines_stays_as_it_was_written(written: str) -> None:
    assert resolve(parse(written), {"1": "x"}) == written


def test_values_read_as_json_inside_text() -> None:
    assert as_text("as it is") == "as it is"
    assert as_text({"a": Point(1.5), "b": {"é"}}) == '{"a": {"x": 1.5}, "b": ["é"]}'
    assert as_text(b"x") == "\"b'x'\""
    assert plain((Film(title="T", cast=[]), Point)) == [{"title": "T", "cast": []}, Point]
