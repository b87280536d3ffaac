"""How good a model's plans are, beside the right ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import anyio

from executor import Task, Toolset
from planner.choose import FEW, ToolChooser
from planner.errors import PlannerError
from planner.forms import PlanForm
from planner.reader import read_plan
from planner.training.compose import edges, terms
from planner.training.generate import Exercise
from planner.writer import LLMPlanner

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_TOKENS_A_CALL = 60


class PlanScore(NamedTuple):
    """A plan beside the right one, each from 0 to 1; or the mean over several.

    Attributes:
        parsed: whether it can be read and run.
        whole: whether it does exactly the same.
        edges: F1 of (tool, argument, which part of which tool's result).
    """

    parsed: float
    whole: float
    edges: float


def plan_score(written: Sequence[Task] | None, right: Sequence[Task]) -> PlanScore:
    """Compares a plan with the right one; numbers and order of the lines do not matter.

    Args:
        written: by a model; None where it cannot be read.
        right: what it should be.
    """
    if not written:
        return PlanScore(0, 0, 0)
    ours, theirs = edges(written), edges(right)
    shared = 2 * (ours & theirs).total()
    f1 = shared / (ours.total() + theirs.total()) if ours or theirs else 1.0
    return PlanScore(1, float(terms(written) == terms(right)), f1)


def mean(scores: Sequence[PlanScore]) -> PlanScore:
    """The mean of each; zeros of none."""
    if not scores:
        return PlanScore(0, 0, 0)
    return PlanScore(*(fmean(column) for column in zip(*scores, strict=True)))


async def measure(
    model: BaseChatModel,
    tools: Toolset,
    asked: Sequence[Exercise],
    *,
    form: PlanForm,
    abreast: int = 8,
    on_done: Callable[[], None] = lambda: None,
) -> list[PlanScore]:
    """Asks a model for plans, greedily and without corrections, as the runtime does. Scores in the order of `asked`.

    Args:
        model: any chat model.
        tools: what plans may call.
        asked: questions and right plans.
        form: how the model is held to the form of a plan.
        abreast: questions at the same time.
        on_done: called after each.

    Raises:
        Exception: whatever the model raises.
    """
    most = max((item.plan.count("\n") for item in asked), default=1)
    planner = LLMPlanner(
        model,
        tools,
        form=form,
        corrections=0,
        max_tokens=_TOKENS_A_CALL * (most + 1),
        choose=ToolChooser(tools) if len(tools) > FEW else None,
        options={"temperature": 0.0},
    )
    found: dict[int, PlanScore] = {}
    places = anyio.CapacityLimiter(abreast)

    async def one(at: int, item: Exercise) -> None:
        async with places:
            tasks: list[Task] | None = []
            try:
                async with aclosing(planner.plan(item.question)) as stream:
                    tasks = [task async for task in stream]
            except PlannerError:
                tasks = None
            found[at] = plan_score(tasks, read_plan(item.plan, tools).tasks)
            on_done()

    async with anyio.create_task_group() as group:
        for at, item in enumerate(asked):
            group.start_soon(one, at, item)
    return [found[at] for at in range(len(asked))]
