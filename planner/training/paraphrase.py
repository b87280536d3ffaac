"""Questions worded anew by a larger model; what it changes beyond the wording is thrown away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import anyio

from executor import Task, Toolset
from planner.reader import read_plan
from planner.training.generate import Exercise
from planner.training.values import said

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_ASKED = """\
Say the following question the way a person would, in one or two sentences. Keep every name, number and date exactly \
as it is, keep what is asked for and in which order, and answer nothing. Write the question alone.

Question: {question}"""
_LONGEST = 3.0


async def paraphrased(
    made: Sequence[Exercise], model: BaseChatModel, tools: Toolset, *, abreast: int = 4
) -> list[Exercise]:
    """The exercises with questions in the model's words; where these lose a value, the question stays as it was.

    Args:
        made: exercises to learn from; never those that are measured with.
        model: a chat model larger than the one to train.
        tools: what the plans call.
        abreast: questions at the same time.

    Raises:
        Exception: whatever the model raises.
    """
    found = list(made)
    places = anyio.CapacityLimiter(abreast)

    async def one(at: int, item: Exercise) -> None:
        async with places:
            reply = await model.ainvoke(_ASKED.format(question=item.question), max_tokens=200)
            text = " ".join(str(reply.text).split()).removeprefix("Question:").strip()
            if keeps_values(text, item, tools):
                found[at] = item._replace(question=text, wording="paraphrase")

    async with anyio.create_task_group() as group:
        for at, item in enumerate(made):
            group.start_soon(one, at, item)
    return found


def keeps_values(text: str, item: Exercise, tools: Toolset) -> bool:
    """Whether a question has every value of the plan in it, brings no further numbers, and is about as long."""
    if not text or len(text) > _LONGEST * len(item.question):
        return False
    values = [said(value) for task in read_plan(item.plan, tools).tasks for value in _literals(task)]
    numbers = {*re.findall(r"\d+(?:\.\d+)?", text)}
    return all(value.strip('"') in text for value in values) and numbers <= {
        *re.findall(r"\d+(?:\.\d+)?", item.question)
    }


def _literals(task: Task) -> list[object]:
    """Texts and numbers of a call. Constants and the like may be said in other words."""
    found: list[object] = []
    left: list[object] = [*task.args.values()]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += cast(Mapping[str, object], value).values()
        elif isinstance(value, list | tuple):
            left += cast(Sequence[object], value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found.append(value)
    return found
