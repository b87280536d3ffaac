"""Another way, where the first found no plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from planner.errors import PlanningFailed, PlanTooLong
from planner.events import PlannerObserver, Replanned, ignore
from planner.policies.conclusion import Conclusion


class Policy(Protocol):
    """A way from a question to an answer."""

    async def answer(self, question: str) -> Conclusion:
        """Answers one question."""
        ...


class Fallback:
    """Answers with `first`; with `second` where the model wrote no plan that can be run.

    Args:
        first: the way to go.
        second: what is left, usually `ReactPolicy`.
        untouched: whether no call has been made so far. After one, the second way could repeat what must not be
            repeated, and the failure is passed on.
        observe: receives `Replanned` when the second way is taken.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        first: Policy,
        second: Policy,
        *,
        untouched: Callable[[], bool],
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first = first
        self.second = second
        self._untouched = untouched
        self._observe = observe or ignore
        self._clock = clock

    async def answer(self, question: str) -> Conclusion:
        """See `Policy.answer`. Raises what the second way raises, where it is taken."""
        try:
            return await self.first.answer(question)
        except (PlanningFailed, PlanTooLong):
            if not self._untouched():
                raise
            self._observe(Replanned(self._clock(), "there is no plan; one call at a time is tried instead"))
            return await self.second.answer(question)
