"""A plan that exists already, as a planner: it gives its tasks first, and asks another planner for what follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from executor import Plan, Task
from planner.events import Usage
from planner.rounds import Round

if TYPE_CHECKING:
    from planner.policies.compiler import Planner, Tasks


class GivenPlan:
    """Gives `plan` for the first round, as one that a person has written or changed.

    Args:
        plan: what runs first; it may be empty.
        then: writes the plans of later rounds.
    """

    def __init__(self, plan: Plan, then: Planner) -> None:
        self._given = plan
        self._then = then

    def plan(self, question: str, *, earlier: Sequence[Round] = (), reason: str = "") -> Tasks:
        """The plan's tasks; with `earlier` rounds, those of the other planner."""
        return self._then.plan(question, earlier=earlier, reason=reason) if earlier else _GivenTasks(self._given)


class _GivenTasks(AsyncIterator[Task]):
    usage = Usage()

    def __init__(self, plan: Plan) -> None:
        self._tasks = iter(plan)

    async def __anext__(self) -> Task:
        for task in self._tasks:
            return task
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """There is nothing to stop."""
