"""Example plans for prompts."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from executor import Toolset
from executor.refs import render_tree

if TYPE_CHECKING:
    from planner.forms import PlanForm


class Example(NamedTuple):
    """A question and the plan that answers it, as text."""

    question: str
    plan: str


# Small models copy what they see. So these use tools nobody has, on things nobody asks about. Each shows another
# shape: calls side by side and nothing more, a chain, and results inside a text.
_GENERIC = (
    Example(
        "Which of the blue and the red crate is heavier?",
        '1. weigh_crate("blue")\n2. weigh_crate("red")\n3. join()',
    ),
    Example(
        "Who keeps the lamp that crate 7 is packed for?",
        "1. crate_contents(7)\n2. lamp_keeper($1.lamp)\n3. join()",
    ),
    Example(
        "How much heavier is the blue crate than the red one?",
        '1. weigh_crate("blue")\n2. weigh_crate("red")\n3. crate_arithmetic("$1 - $2")\n4. join()',
    ),
)


_GENERIC_JSON = (
    Example(
        _GENERIC[0].question,
        '{"calls": [{"tool": "weigh_crate", "args": {"colour": "blue"}}, '
        '{"tool": "weigh_crate", "args": {"colour": "red"}}]}',
    ),
    Example(
        _GENERIC[1].question,
        '{"calls": [{"tool": "crate_contents", "args": {"number": 7}}, '
        '{"tool": "lamp_keeper", "args": {"lamp": "$1.lamp"}}]}',
    ),
    Example(
        _GENERIC[2].question,
        '{"calls": [{"tool": "weigh_crate", "args": {"colour": "blue"}}, '
        '{"tool": "weigh_crate", "args": {"colour": "red"}}, '
        '{"tool": "crate_arithmetic", "args": {"expression": "$1 - $2"}}]}',
    ),
)


def generic_examples(tool_names: Collection[str], *, as_json: bool = False) -> tuple[Example, ...]:
    """Examples of the form alone; those that name one of the user's own tools are left out."""
    kept = [not any(f"{name}(" in example.plan for name in tool_names) for example in _GENERIC]
    return tuple(example for example, keep in zip(_GENERIC_JSON if as_json else _GENERIC, kept, strict=True) if keep)


def example_in(form: PlanForm, question: str, plan: str, tools: Toolset) -> Example:
    """An example whose plan, given as lines, is written as a model in `form` writes it."""
    if form != "json":
        return Example(question, plan)
    from planner.reader import read_plan

    calls = [{"tool": task.call, "args": render_tree(task.args)} for task in read_plan(plan, tools).tasks]
    return Example(question, json.dumps({"calls": calls}, ensure_ascii=False))
