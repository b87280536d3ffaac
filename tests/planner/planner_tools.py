"""Tools and shorthands that the planner's tests share."""

from __future__ import annotations

from executor import JsonSchema, Parameter, Signature, Tool, Toolset
from planner import PlanReading, read_plan


async def _nothing(**_: object) -> None:
    return None


def a_tool(name: str, /, **parameters: JsonSchema) -> Tool:
    """A tool that does nothing; a parameter whose schema has a default is optional."""
    signature = Signature(Parameter(key, schema, "default" not in schema) for key, schema in parameters.items())
    return Tool(name=name, function=_nothing, signature=signature, effect="pure")


TEXT: JsonSchema = {"type": "string"}
NUMBER: JsonSchema = {"type": "number"}
ANY: JsonSchema = {}

TOOLS = Toolset(
    [
        a_tool("search", title=TEXT),
        a_tool("calc", expression=TEXT),
        a_tool("pair", first=ANY, second=ANY),
        a_tool("note", content=ANY),
        a_tool("geo.find-place", name=TEXT, limit={"type": "integer", "default": 5}),
        a_tool("weather", place=TEXT, unit={"enum": ["celsius", "fahrenheit"], "default": "celsius"}),
        a_tool("now"),
    ]
)


def read(text: str, **options: object) -> PlanReading:
    """`text` read against `TOOLS`."""
    return read_plan(text, TOOLS, **options)  # type: ignore[arg-type]  # tests pass what read_plan takes


def args(text: str) -> dict[str, object]:
    """The arguments of the only call in `text`, which must have no problem."""
    reading = read(text + "\njoin()")
    assert not reading.problems, reading.problems
    (task,) = reading.tasks
    return dict(task.args)


def errors(text: str, **options: object) -> list[tuple[str, int, int]]:
    """Kind, line and column of each problem of `text`."""
    return [
        (type(problem.error).__name__, problem.place.line, problem.place.column)
        for problem in read(text, **options).problems
    ]
