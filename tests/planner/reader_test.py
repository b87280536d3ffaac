"""What the reader makes of plans as models write them: each awkward input of the original, and then some."""

from __future__ import annotations

import pytest

from executor import Ref, Text
from planner import PlanChecker, PlanNotice, PlanProblem, PlanReader, PlanSyntaxError
from tests.planner.planner_tools import TOOLS, args, errors, read


def ids(text: str) -> list[str]:
    return [task.id for task in read(text).tasks]


def warnings(text: str) -> list[str]:
    return [notice.message for notice in read(text).warnings]


class TestLines:
    def test_a_plan_in_one_piece(self) -> None:
        reading = read('Thought: two things\n1. search("A")\n2. search("B")\n3. pair($1, $2)\n4. join()\n<END_OF_PLAN>')
        assert [(task.id, task.call, dict(task.args)) for task in reading.tasks] == [
            ("1", "search", {"title": "A"}),
            ("2", "search", {"title": "B"}),
            ("3", "pair", {"first": Ref("1"), "second": Ref("2")}),
        ]
        assert [task.thought for task in reading.tasks] == ["two things", "", ""]
        assert not reading.warnings
        assert not reading.problems

    def test_a_task_comes_with_its_closing_parenthesis(self) -> None:
        reader = PlanReader(PlanChecker(TOOLS))
        assert reader.feed('1. search("A"') == []
        (task,) = reader.feed(")")
        assert getattr(task, "id", None) == "1"

    def test_id_gaps_and_any_first_id(self) -> None:
        assert ids('4. search("A")\n9. search("B")\n007. pair($4, $9)\n10. join()') == ["4", "9", "7"]

    def test_dotted_and_dashed_names(self) -> None:
        reading = read('1. geo.find-place("Ulm", 3)\n2. join()')
        assert reading.tasks[0].call == "geo.find-place"

    def test_several_calls_on_one_line(self) -> None:
        assert ids('1. search("A") 2. search("B"); 3. now() 4. join()') == ["1", "2", "3"]

    def test_text_around_the_plan(self) -> None:
        text = 'Sure, here is the plan (I hope):\n\n```text\n1. search("A")\n2. join()\n```\nThat is all (really).'
        assert ids(text) == ["1"]
        assert not read(text).problems

    @pytest.mark.parametrize("head", ["Plan: 1. ", "- 1. ", "Step 1: ", "**1.** ", "> 1) ", "Task 1. "])
    def test_ways_to_number_a_line(self, head: str) -> None:
        assert ids(f'{head}search("A")\n2. join()') == ["1"]

    def test_numbered_prose_is_no_call(self) -> None:
        text = '1. Heat (1995 film) is a film.\n2. First we look (it up).\n\n1. search("A")\n2. join()'
        assert ids(text) == ["1"]
        assert not read(text).problems

    def test_a_call_without_number_gets_the_next(self) -> None:
        text = '1. search("A")\nsearch("B")\njoin()'
        assert ids(text) == ["1", "2"]
        assert warnings(text) == ["this line has no number; it was taken as 2"]

    def test_text_behind_the_end_mark_is_ignored(self) -> None:
        assert ids('1. search("A")\njoin()<END_OF_PLAN>\n2. search("B")') == ["1"]

    def test_thoughts_go_to_the_next_task(self) -> None:
        reading = read('Thought: first (a) \n1. now()\nThought: then\nthought: and\n2. search("A")\njoin()')
        assert [task.thought for task in reading.tasks] == ["first (a)", "then and"]

    def test_a_missing_join_is_noted(self) -> None:
        assert ids('1. search("A")') == ["1"]
        assert warnings('1. search("A")') == ["the plan does not end with join()"]

    def test_calls_behind_join_are_refused(self) -> None:
        assert errors('1. search("A")\n2. join()\n3. search("B")') == [("PlanSyntaxError", 3, 1)]

    def test_a_plan_of_nothing_but_join(self) -> None:
        reading = read("1. join()")
        assert not reading.tasks
        assert not reading.problems

    @pytest.mark.parametrize("text", ["", "  \n", "I cannot help with that.", "答えは四十二です。", "{}"])
    def test_prose_is_no_plan(self, text: str) -> None:
        (problem,) = read(text).problems
        assert "no plan" in str(problem.error)


class TestArguments:
    def test_quotes_escapes_and_line_breaks(self) -> None:
        assert args(r"""1. pair("a \"b\" \n\t\\ \d é", 'c "d" \'e\'')""") == {
            "first": 'a "b" \n\t\\ \\d é',
            "second": "c \"d\" 'e'",
        }
        assert args('1. search("two\nlines")') == {"title": "two\nlines"}
        assert args('1. pair("""a "quoted" b""", "")') == {"first": 'a "quoted" b', "second": ""}
        assert args(r'1. search("\u00e9 \ud83d\ude00 \ud83d \x41")') == {"title": "é 😀 \ufffd A"}

    def test_an_apostrophe_does_not_end_a_text(self) -> None:
        assert args("1. search('Rosemary's Baby')") == {"title": "Rosemary's Baby"}

    def test_typographic_quotes(self) -> None:
        assert args("1. search(“Heat”)") == {"title": "Heat"}

    def test_brackets_inside_texts_are_text(self) -> None:
        assert args('1. search("a ) ] } ( b")') == {"title": "a ) ] } ( b"}

    def test_nested_values_in_both_spellings(self) -> None:
        written = """1. note({"a": [1, -2.5, 1e3, true, False, None, null], 'b': {"c": (1, 2)}, d: [],})"""
        assert args(written) == {
            "content": {"a": [1, -2.5, 1000.0, True, False, None, None], "b": {"c": [1, 2]}, "d": []}
        }

    def test_a_text_and_a_reference_are_two_arguments(self) -> None:
        reading = read('1. now()\n2. pair("q", $1)\n3. join()')
        assert dict(reading.tasks[1].args) == {"first": "q", "second": Ref("1")}

    def test_named_arguments_over_several_lines(self) -> None:
        assert args('1. weather(\n    place="Ulm",\n    unit = "celsius",\n)') == {"place": "Ulm", "unit": "celsius"}

    def test_references_and_paths_anywhere(self) -> None:
        text = """1. now()
        2. pair({"a": $1.name, "b": [$1[0], ${1}, ${1.items[0]["the key"]}]}, "x $1.b y $$1")
        join()"""
        assert dict(read(text).tasks[1].args) == {
            "first": {"a": Ref("1", ("name",)), "b": [Ref("1", (0,)), Ref("1"), Ref("1", ("items", 0, "the key"))]},
            "second": Text(("x ", Ref("1", ("b",)), " y $1")),
        }

    def test_text_without_quotes(self) -> None:
        assert args("1. search(Scott Derrickson)") == {"title": "Scott Derrickson"}
        assert args("1. search(Heat (1995 film))") == {"title": "Heat (1995 film)"}
        assert args("1. search(Ocean's Eleven)") == {"title": "Ocean's Eleven"}
        assert warnings("1. search(Scott Derrickson)\njoin()") == ["text without quotes is taken as text"]

    def test_an_expression_is_text_with_references(self) -> None:
        text = "1. now()\n2. calc($1.a * (2 + $1[0]))\njoin()"
        assert read(text).tasks[1].args["expression"] == Text((Ref("1", ("a",)), " * (2 + ", Ref("1", (0,)), ")"))

    def test_a_number_where_the_tool_wants_text(self) -> None:
        assert args("1. search(1984)") == {"title": "1984"}
        assert args("1. note(007)") == {"content": "007"}
        assert args(f"1. note({'9' * 5000})") == {"content": "9" * 5000}

    def test_all_arguments_in_one_object(self) -> None:
        assert args('1. weather({"place": "Ulm"})') == {"place": "Ulm"}
        assert args('1. weather("place": "Ulm")') == {"place": "Ulm"}

    @pytest.mark.parametrize(
        ("call", "message", "column"),
        [
            ("pair(1,,2)", "nothing before this comma", 11),
            ('search("a" "b")', "follows the closing quote", 15),
            ('search("abc" + $1)', "follows the closing quote", 17),
            ("note([1, 2)", "does not close", 14),
            ("note({1})", "no entry", 10),
            ('note({"a": 1, "a": 2})', "given twice", 18),
            ('weather(place="a", place="b")', "given twice", 23),
            ('weather(place="a", "b")', "without a name", 23),
            ("weather(place=)", "has no value", 17),
            ('search("abc)', "no closing quote", 11),
            ("note((1, 2)", "never closed", 8),
            ("search", "no parentheses", 1),
            ("note(" + "[" * 40 + ")", "nested deeper", 40),
        ],
    )
    def test_what_cannot_be_read_has_a_place_and_a_hint(self, call: str, message: str, column: int) -> None:
        problem = read(f"1. {call}\n2. now()\njoin()").problems[0]
        assert isinstance(problem.error, PlanSyntaxError)
        assert message in str(problem.error)
        assert problem.hint
        assert (problem.place.line, problem.place.column) == (1, column)
        shown = str(problem).splitlines()
        assert shown[2].index("^") == shown[1].index(problem.place.excerpt) + problem.place.caret


class TestMeaning:
    def test_an_unknown_tool_with_the_nearest_name(self) -> None:
        (problem,) = read('1. serch("A")\njoin()').problems
        assert type(problem.error).__name__ == "UnknownTool"
        assert "search?" in str(problem.error)

    def test_arguments_that_do_not_fit(self) -> None:
        assert errors('1. weather("Ulm", "kelvin")\njoin()') == [("ArgumentMismatch", 1, 19)]
        assert errors('1. search("A", limit=2)\njoin()') == [("ArgumentMismatch", 1, 16)]
        assert errors("1. search()\njoin()") == [("ArgumentMismatch", 1, 1)]

    def test_a_duplicate_id(self) -> None:
        assert errors('1. search("A")\n1. search("B")\njoin()') == [("DuplicateTask", 2, 1)]

    def test_forward_references_are_held(self) -> None:
        reader = PlanReader(PlanChecker(TOOLS))
        assert reader.feed("1. note($2)\n") == []
        assert [getattr(item, "id", None) for item in reader.feed("2. now()")] == ["2", "1"]

    def test_a_reference_to_nothing(self) -> None:
        assert errors("1. note($2)\n2. join()") == [("UnknownReference", 1, 1)]

    def test_circles_and_self_references(self) -> None:
        assert errors("1. note($1)\njoin()") == [("CycleError", 1, 1)]
        (problem,) = read("1. note($3)\n2. note($1)\n3. note($2)\njoin()").problems
        assert "3 -> 2 -> 1 -> 3" in str(problem.error) or "1 -> 3 -> 2 -> 1" in str(problem.error)
        assert not read("1. note($3)\n2. note($1)\n3. note($2)\njoin()").tasks

    def test_dollars_in_texts(self) -> None:
        reading = read('1. calc("$15 + $2 tax, $$1 and ${who}")\njoin()')
        assert reading.tasks[0].args["expression"] == "$15 + $2 tax, $1 and ${who}"
        assert "$15, $2, $who is taken as text" in reading.warnings[0].message

    def test_a_dollar_amount_that_would_close_a_circle_is_text(self) -> None:
        reading = read('1. search("price of a $2 coffee")\n2. calc("$1 * 3")\njoin()')
        assert not reading.problems
        assert [(task.id, task.needs, task.mentions) for task in reading.tasks] == [("1", (), ()), ("2", (), ("1",))]

    def test_too_many_tasks(self) -> None:
        text = "".join(f"{number}. now()\n" for number in range(1, 9)) + "join()"
        assert [kind for kind, _, _ in errors(text, max_tasks=7)] == ["TooManyTasks"]
        assert not errors(text, max_tasks=8)

    def test_earlier_ids_may_be_referred_to_but_not_taken(self) -> None:
        assert [task.needs for task in read("3. note($1)\njoin()", known=["1", "2"]).tasks] == [("1",)]
        assert errors("1. now()\njoin()", known=["1"]) == [("DuplicateTask", 1, 1)]

    def test_all_problems_of_a_file_at_once(self) -> None:
        text = '1. serch("A")\n2. search("B"\n3. note($9)\n4. note($1)\n5. search("C", 1)\n6. now()\njoin()\n7. now()'
        assert errors(text) == [
            ("UnknownTool", 1, 1),
            ("PlanSyntaxError", 2, 10),
            ("ArgumentMismatch", 5, 1),
            ("PlanSyntaxError", 8, 1),
            ("UnknownReference", 3, 1),
        ]
        assert ids(text) == ["6"]


class TestBounds:
    def test_an_endless_call_is_refused_and_let_go(self) -> None:
        reader = PlanReader(PlanChecker(TOOLS), max_line=1_000)
        items = [item for _ in range(200) for item in reader.feed('1. search("' + "x" * 100)]
        assert [type(item) for item in items] == [PlanProblem]
        assert reader.held <= 1_200

    def test_an_endless_line_of_prose_is_let_go(self) -> None:
        reader = PlanReader(PlanChecker(TOOLS), max_line=1_000)
        items = [item for _ in range(200) for item in reader.feed("blah (" * 20)]
        assert [type(item) for item in items] == [PlanNotice]
        assert reader.held <= 1_200
        assert [getattr(item, "id", None) for item in reader.feed("\n1. now()")] == ["1"]

    def test_problems_are_bounded(self) -> None:
        assert len(read("1. nope()\n" * 500).problems) == 100

    def test_long_lines_have_short_excerpts(self) -> None:
        (problem,) = read('1. search("' + "x" * 5_000 + '", 1)\njoin()').problems
        assert len(problem.place.excerpt) <= 120
        assert problem.to_json()["line"] == 1
