"""A plan that is there already, where a planner is asked for one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from executor import Plan, Task
from planner.events import Usage
from planner.rounds import Round


class GivenPlan:
    """A planner that knows one plan, such as one that a person has changed.

    Args:
        plan: its tasks are given as they are, once; there is no second plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def plan(self, question: str, *, earlier: Sequence[Round] = (), reason: str = "") -> GivenTasks:
        """The tasks of the plan; none after the first round."""
        return GivenTasks(() if earlier else (*self._plan,))


class GivenTasks:
    """Tasks that are there already, as a stream."""

    reads: tuple[str, ...] = ()
    usage = Usage()

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._stream = _each(tasks)

    def __aiter__(self) -> AsyncIterator[Task]:
        return self._stream

    async def aclose(self) -> None:
        """Ends the stream."""
        await self._stream.aclose()


async def _each(tasks: Sequence[Task]) -> AsyncGenerator[Task]:
    for task in tasks:
        yield task
