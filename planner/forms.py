"""How a model is held to the form of a plan: what the endpoint can do decides.

grammar   vLLM: an EBNF grammar; no malformed plan can be written
gbnf      llama.cpp: the same grammar
json      a JSON schema, where that is all there is; references are checked after they are written
free      nothing: the prompt asks, the reader checks, and the model may correct itself once
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from executor import Toolset
from planner.grammar import Grounds, plan_grammar, plan_schema

PlanForm = Literal["grammar", "gbnf", "json", "free"]


def request_options(
    form: PlanForm,
    tools: Toolset,
    *,
    lines: int,
    first: int = 1,
    known: Sequence[str] = (),
    thought: bool = False,
    single: bool = False,
    grounds: Grounds | None = None,
) -> dict[str, Any]:
    """Arguments of a chat model's request that hold it to plans over `tools`.

    Args:
        form: what the endpoint understands.
        tools: what may be called.
        lines: most calls.
        first: number of the first line.
        known: ids of earlier tasks.
        thought: whether a thought comes first; not for `json`.
        single: whether there is one call and nothing else.
        grounds: what the question gives, for grammars; see `plan_grammar`.

    Raises:
        PlannerError: a tool has a name that cannot be written in a plan.
    """
    match form:
        case "free":
            return {}
        case "json":
            schema = {"name": "plan", "schema": plan_schema(tools, lines=lines), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case _:
            grammar = plan_grammar(
                tools, lines=lines, first=first, known=known, thought=thought, single=single, grounds=grounds
            ).text
            if form == "gbnf":
                return {"extra_body": {"grammar": grammar}}
            return {"structured_outputs": {"grammar": grammar}}
