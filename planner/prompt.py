"""The planner's prompts: what never changes first, the question last, so that a prefix cache serves the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from executor import JsonSchema, Parameter, Tool, Toolset
from planner.errors import PlanProblem
from planner.examples import Example
from planner.rounds import Round, one_line, transcript, without_marks

_LONGEST_DESCRIPTION = 240
_LONGEST_PARAMETER_NOTE = 80
_MOST_CHOICES = 12
_TYPE_DEPTH = 3

_INSTRUCTIONS = """\
You write plans. A plan is a numbered list of tool calls, one on each line, and its last line is join().
- Use only the tools below. Give the arguments in the order shown; text goes in double quotes. Leave out arguments \
marked ? that the question does not ask for.
- Write $1 where a later line needs the result of line 1, or $1.name for a field of it that the tool's -> shows. \
Never make up a result.
- Lines that do not need each other run at the same time.
- After join() the results are read and the question is answered. Plan no call that only compares or phrases them.
- Write nothing but the plan."""

_JSON_INSTRUCTIONS = """\
You write plans. A plan is a list of tool calls as JSON: {"calls": [{"tool": name, "args": {name: value}}]}. \
The calls have the numbers 1, 2, 3 in the order they are written.
- Use only the tools below. Leave out arguments marked ? that the question does not ask for.
- Write "$1" where a later call needs the result of call 1, or "$1.name" for a field of it that the tool's -> shows. \
Never make up a result.
- Calls that do not need each other run at the same time.
- Afterwards the results are read and the question is answered. Plan no call that only compares or phrases them.
- Write nothing but the plan."""
_THOUGHT = "- Begin with one line that starts with Thought: and says which results are needed, and from which tools."


def system_prompt(
    tools: Toolset,
    examples: Sequence[Example],
    *,
    nearest: Sequence[Example] = (),
    as_json: bool = False,
    thought: bool = False,
) -> str:
    """Instructions, tools and examples: the same for every question about the same tools.

    Args:
        tools: those that may be called.
        examples: shown below the tools; they show the form.
        nearest: plans over these very tools for questions like this one.
        as_json: whether plans are written as JSON, not as lines.
        thought: whether a line of thought comes first; examples show it if they have it.
    """
    described = "\n".join(describe(tool) for tool in tools.values())
    instructions = _JSON_INSTRUCTIONS if as_json else _INSTRUCTIONS
    asked = f"{instructions}\n{_THOUGHT}" if thought else instructions
    parts = [asked, f"Tools:\n{described or '(there are none; write join() alone)'}"]
    if examples:
        parts.append("Examples of the form (their tools do not exist here):")
        parts += [f"Question: {example.question}\n{example.plan}" for example in examples]
    if nearest:
        parts.append("Plans for earlier questions:")
        parts += [f"Question: {without_marks(example.question)}\n{example.plan}" for example in nearest]
    return "\n\n".join(parts)


def question_prompt(
    question: str, earlier: Sequence[Round], reason: str, *, tools: Toolset, first: int, budget: int
) -> str:
    """The question; when replanning, also what was done before, why more is needed, and where to go on.

    Args:
        question: as it was asked.
        earlier: rounds of the same question.
        reason: what is still missing.
        tools: what the earlier calls called.
        first: the number of the next line.
        budget: characters that previews of earlier results may take together.
    """
    asked = f"Question: {without_marks(question)}"
    if not earlier:
        return asked
    done = transcript(earlier, tools, budget=budget)
    missing = f"\n\nStill missing: {one_line(reason, 600)}" if reason else ""
    return (
        f"{asked}\n\nThese calls were made already:\n{done}{missing}\n\n"
        f"Write only the calls that are still needed, numbered from {first}. "
        "$ with a number from above is that result. Do not repeat a call."
    )


def correction_prompt(problems: Sequence[PlanProblem], broken: Iterable[str], first: int) -> str:
    """Tells the model what is wrong with its plan, and from where to write it again."""
    what = "\n".join(str(problem) for problem in problems[:3])
    again = ", ".join(broken)
    start = f"Write line {again} again, and then what must follow it" if again else f"Go on from line {first}"
    return (
        f"This plan cannot be run:\n{without_marks(what)}\n\n"
        f"{start}. The lines you see above this message stand; do not repeat them. End with join()."
    )


def describe(tool: Tool) -> str:
    """One line: name, parameters with types, what it gives, what it is for.

    Descriptions are data. They are cut, and put on one line behind a dash, so that nothing in them can
    look like a line of a plan or a turn of the conversation.
    """
    parameters = ", ".join(_parameter(parameter, tool.signature.definitions) for parameter in tool.signature.parameters)
    gives = f" -> {_type(tool.returns, {}, 0)}" if tool.returns else ""
    purpose = one_line(tool.description.strip().split("\n\n")[0], _LONGEST_DESCRIPTION)
    return f"- {tool.name}({parameters}){gives}" + (f" — {purpose}" if purpose else "")


def _parameter(parameter: Parameter, definitions: JsonSchema) -> str:
    schema = parameter.schema
    text = f"{parameter.name}{'' if parameter.required else '?'}: {_type(schema, definitions, 0)}"
    if "default" in schema and schema["default"] is not None:
        text += f" = {one_line(json.dumps(schema['default'], ensure_ascii=False, default=str), 40)}"
    if isinstance(note := schema.get("description"), str) and note.strip():
        text += f" ({one_line(note, _LONGEST_PARAMETER_NOTE)})"
    return text


def _type(schema: object, definitions: JsonSchema, depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _TYPE_DEPTH:
        return "any"
    rules = cast(Mapping[str, Any], schema)
    if isinstance(name := rules.get("$ref"), str):
        return _type(definitions.get(name.rsplit("/", 1)[-1]), definitions, depth + 1)
    choices = [rules["const"]] if "const" in rules else rules.get("enum")
    if choices:
        shown = [
            one_line(json.dumps(choice, ensure_ascii=False, default=str), 40) for choice in choices[:_MOST_CHOICES]
        ]
        return " | ".join(shown) + (" | …" if len(choices) > _MOST_CHOICES else "")
    if options := rules.get("anyOf") or rules.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(option, definitions, depth + 1) for option in options))
    kind = rules.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(str(name) for name in cast(list[object], kind))
    if kind == "array":
        return f"[{_type(rules.get('items'), definitions, depth + 1)}, …]"
    if kind == "object" and (fields := cast(Mapping[str, object], rules.get("properties", {}))):
        inner = (f"{one_line(name, 40)}: {_type(part, definitions, depth + 1)}" for name, part in fields.items())
        return "{" + ", ".join(inner) + "}"
    return "text" if kind == "string" else str(kind)
