"""Grammars from tool sets: everything they can produce is read into exactly the plan it says."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import JsonSchema, Parameter, Plan, Signature, Task, Tool, Toolset
from planner import InvalidPlan, PlanChecker, PlannerError, PlanProblem, PlanReader, read_plan
from planner.grammar import plan_grammar
from planner.grammar.numbers import integer, number
from tests.planner.grammar_derivations import Derivation, intended, parse_grammar
from tests.planner.planner_tools import TEXT, a_tool


async def _nothing(**_: object) -> None:
    return None


def typed(
    name: str, returns: JsonSchema | None = None, definitions: JsonSchema | None = None, /, **schemas: JsonSchema
) -> Tool:
    """A tool whose parameters with a default are optional."""
    parameters = [Parameter(key, schema, "default" not in schema) for key, schema in schemas.items()]
    signature = Signature(parameters, definitions=definitions)
    return Tool(name=name, function=_nothing, signature=signature, returns=returns, effect="pure")


POINT: JsonSchema = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number"}, "label text": {"type": "string"}},
    "required": ["x"],
}
TREE: JsonSchema = {
    "type": "object",
    "properties": {"name": TEXT, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["name", "children"],
}
TOOLS = Toolset(
    [
        typed("search", {"type": "string"}, title=TEXT),
        typed(
            "find.place-2",
            {"type": "object", "properties": {"lat": {"type": "number"}}},
            name=TEXT,
            near={"type": "string", "default": ""},
        ),
        typed("level", None, value={"type": "integer", "minimum": -3, "maximum": 120}),
        typed("ratio", {"type": "number"}, value={"type": "number", "minimum": 0, "maximum": 1}),
        typed(
            "weather",
            None,
            place=TEXT,
            unit={"enum": ["celsius", "fahr$nheit", 'a "b"'], "default": "celsius"},
            days={"type": "integer", "minimum": 1, "default": 1},
        ),
        typed(
            "options",
            None,
            a={"type": "boolean", "default": True},
            b={"type": ["string", "null"], "default": None},
            c={"const": 7, "default": 7},
        ),
        typed(
            "late", None, flag={"type": "boolean", "default": True}, name=TEXT, more={"type": "string", "default": ""}
        ),
        typed("move", None, to=POINT, via={"type": "array", "items": POINT, "maxItems": 3}),
        typed("sum", None, values={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 5}),
        typed("either", None, value={"anyOf": [{"type": "integer"}, {"type": "array", "items": TEXT}]}),
        typed("grow", None, {"Tree": TREE}, tree={"$ref": "#/$defs/Tree"}),
        typed("now"),
    ]
)
NAMES = {tool.name: [parameter.name for parameter in tool.signature.parameters] for tool in TOOLS.values()}


def plans(count: int, seed: int = 1, **options: object) -> list[str]:
    grammar = plan_grammar(TOOLS, **options)  # type: ignore[arg-type]  # tests pass what it takes
    chance = random.Random(seed)
    return [Derivation(grammar.text, chance, short=chance.choice([0.2, 0.5, 0.8])).draw() for _ in range(count)]


def read_in_pieces(text: str, chance: random.Random, known: tuple[str, ...] = ()) -> tuple[list[Task], list[object]]:
    reader = PlanReader(PlanChecker(TOOLS, known=known), ends_at_join=True)
    items: list[object] = []
    at = 0
    while at < len(text):
        size = chance.choice([1, 2, 3, 7, 40])
        items += reader.feed(text[at : at + size])
        at += size
    items += reader.close()
    return [item for item in items if isinstance(item, Task)], [item for item in items if not isinstance(item, Task)]


def test_ten_thousand_derivations_are_read_into_exactly_the_plan_they_say() -> None:
    chance = random.Random(3)
    used: set[str] = set()
    for text in [*plans(8_000, lines=5), *plans(2_000, seed=2, lines=5, thought=True)]:
        tasks, rest = read_in_pieces(text, chance)
        assert not rest, f"{text}\n{rest[0]}"
        assert [(task.id, task.call, task.args) for task in tasks] == intended(text, NAMES), text
        used.update(task.call for task in tasks)
        Plan(tasks)
    assert used == {*TOOLS}, "every tool can be called"


def test_references_reach_earlier_lines_and_known_tasks_only() -> None:
    seen: set[str] = set()
    for text in plans(500, lines=6, first=4, known=["1", "3"]):
        tasks, rest = read_in_pieces(text, random.Random(0), ("1", "3"))
        assert not rest
        for task in tasks:
            allowed = {"1", "3", *map(str, range(4, int(task.id)))}
            assert allowed.issuperset([*task.needs, *task.mentions])
            seen.update(task.needs)
    assert seen >= {"1", "3", "4", "5"}


@given(st.integers(0, 2**32))
def test_a_mutated_plan_raises_only_our_errors(seed: int) -> None:
    chance = random.Random(seed)
    text = [*plans(1, seed=seed, lines=4)[0]]
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(3):
            case 0:
                del text[at : at + chance.randrange(4)]
            case 1:
                text.insert(
                    at, chance.choice(['"', "(", ")", "$", "\\", "\n", "1. ", "join()", "[", "}", ",", "=", "é"])
                )
            case _:
                text[at : at + 2] = reversed(text[at : at + 2])
    reading = read_plan("".join(text), TOOLS)
    try:
        assert len(reading.plan) >= 0
    except InvalidPlan as error:
        assert all(isinstance(problem, PlanProblem) for problem in error.problems)


def test_the_grammar_is_small_fast_to_ask_for_again_and_bounded() -> None:
    many = Toolset(
        a_tool(f"tool_{n}", query=TEXT, size={"type": "integer"}, unit={"enum": ["a", "b"], "default": "a"})
        for n in range(50)
    )
    grammar = plan_grammar(many)
    assert len(grammar.text) < 200_000
    assert (grammar.lines, grammar.levels) == (16, 16)
    assert plan_grammar(Toolset(many.values())) is grammar
    flood = Toolset(a_tool(f"tool_{n}", query=TEXT, size={"type": "integer"}) for n in range(500))
    grammar = plan_grammar(flood)
    assert len(grammar.text) < 200_000
    assert 1 < grammar.levels < grammar.lines == 16, "later lines may refer to fewer lines; nothing else is lost"
    text = Derivation(grammar.text, random.Random(5), short=0.0).draw()
    assert not read_plan(text, flood).problems


def test_a_plan_has_a_call_and_an_end() -> None:
    assert plan_grammar(Toolset()).text == 'root ::= line1\nline1 ::= "1. " "join()"\n'
    lengths = {text.count("\n") for text in plans(400, lines=3)}
    assert lengths == {1, 2, 3}
    assert 0 in {text.count("\n") for text in plans(400, lines=3, least=0)}
    assert all(text.startswith("Thought: ") for text in plans(50, lines=2, thought=True))


def test_what_the_grammar_cannot_say_is_said() -> None:
    tools = Toolset(
        [
            typed("a", None, code={"type": "string", "pattern": "^[A-Z]{3}$"}, extra={"type": "object", "default": {}}),
            typed("b", None, value={"type": "object", "patternProperties": {"^x": {"type": "integer"}}}),
            typed("c", None, {"Tree": TREE}, tree={"$ref": "#/$defs/Tree"}),
            typed("d", None, value={"allOf": [{"type": "string"}, {"minLength": 2}]}),
        ]
    )
    loose = plan_grammar(tools).loose
    assert [note.split(":")[0] for note in loose] == ["a.code", "a.extra", "b.value", "b.value", "c.tree", "d.value"]
    grammar = plan_grammar(tools, lines=3).text
    for seed in range(300):
        text = Derivation(grammar, random.Random(seed)).draw()
        for problem in read_plan(text, tools).problems:
            assert re.search("must match|given twice|must be", str(problem)), problem


def test_names_that_no_line_can_hold() -> None:
    with pytest.raises(PlannerError, match="'get weather', which cannot be written in a plan"):
        plan_grammar(Toolset([a_tool("get weather")]))
    odd = Toolset(
        [Tool(name="odd", function=_nothing, signature=Signature([Parameter("a b"), Parameter("c d", {}, False)]))]
    )
    grammar = plan_grammar(odd)
    assert grammar.loose == ("odd.c d: a name of this kind cannot be written, so it is left out",)
    assert not read_plan(Derivation(grammar.text, random.Random(1)).draw(), odd).problems


def test_a_description_cannot_get_into_the_grammar() -> None:
    tool = Tool(
        name="ask",
        function=_nothing,
        description='1. join()\nroot ::= "x"',
        signature=Signature([Parameter("q", TEXT)]),
    )
    assert plan_grammar(Toolset([tool])).text == plan_grammar(Toolset([a_tool("ask", q=TEXT)])).text


@given(st.integers(-2000, 2000), st.integers(0, 3000), st.integers(0, 2**32))
def test_whole_numbers_within_bounds(low: int, span: int, seed: int) -> None:
    expression = integer(low, low + span)
    assert expression is not None
    rules = f"root ::= {expression}\n"
    drawn = {int(Derivation(rules, random.Random(seed + n)).draw()) for n in range(30)}
    assert all(low <= value <= low + span for value in drawn)
    every = re.compile(_as_regex(expression))
    for value in {low, low + span, low + span // 2, 0, low - 1, low + span + 1, -low}:
        assert bool(every.fullmatch(str(value))) == (low <= value <= low + span), value


@given(st.floats(-500, 500), st.floats(0, 400), st.integers(0, 2**32))
def test_numbers_within_bounds(low: float, span: float, seed: int) -> None:
    expression = number(low, low + span)
    if expression is None:
        assert span < 2
        return
    chance = random.Random(seed)
    for _ in range(30):
        assert low <= float(Derivation(f"root ::= {expression}\n", chance).draw()) <= low + span


def test_open_bounds() -> None:
    assert re.fullmatch(_as_regex(integer(low=12) or ""), "12") and not re.fullmatch(
        _as_regex(integer(low=12) or ""), "11"
    )
    assert re.fullmatch(_as_regex(integer(high=-5) or ""), "-17") and not re.fullmatch(
        _as_regex(integer(high=-5) or ""), "-4"
    )
    assert integer(3.2, 3.8) is None
    parse_grammar(f"root ::= {integer()}\n")


def _as_regex(expression: str) -> str:
    return re.sub(r'"(.)?([^"]*)"', lambda m: re.escape((m[1] or "") + m[2]), expression).replace(" ", "")
