"""Tools that call nothing: each gives a value of the kind that the real one declares."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import cast

from executor import JsonSchema, Tool, Toolset
from planner.training.values import made_up


def simulated(tools: Toolset) -> Toolset:
    """The same tools with functions that make up their results: the same result for the same arguments.

    Arguments are checked against the schema, with the values that references came to.
    """
    return Toolset(_simulated(tool) for tool in tools.values())


def _simulated(tool: Tool) -> Tool:
    return replace(
        tool, function=_answer(tool), validate=None, context=None, batch=None, approve=False, process=False, rate=None,
        tainted="allow", effect="pure", speculative=False, cache=False,
    )  # fmt: skip


def _answer(tool: Tool) -> Callable[..., Awaitable[object]]:
    returns = tool.returns or {"type": "string"}
    definitions = cast(JsonSchema, returns.get("$defs", {}))

    async def answer(**arguments: object) -> object:
        if problems := tool.signature.check(arguments):
            raise ValueError("; ".join(problems))
        chance = random.Random(f"{tool.name} {_key(arguments)}")
        return made_up(returns, tool.name, definitions, chance)

    return answer


def _key(arguments: Mapping[str, object]) -> str:
    return json.dumps(arguments, sort_keys=True, default=str)
