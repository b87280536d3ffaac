"""The compiler policy: plan, run while the plan is written, join, and plan again if need be."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Protocol

from executor import Executor, Outcome, Plan, Task
from planner.errors import PlannerError
from planner.events import PlannerObserver, Replanned, TaskReused, Usage, ignore
from planner.joiner import Finish, Joiner
from planner.passes.reuse import Reuse
from planner.rounds import Round

Ending = Literal["answered", "budget", "no progress", "planning failed"]
"""Why the search ended; only `answered` is complete."""


class Tasks(Protocol):
    """A stream of tasks, such as `PlanStream`. `usage` is what they took from the model so far."""

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        ...

    def __aiter__(self) -> AsyncIterator[Task]:
        """The tasks, each after those it needs."""
        ...

    async def aclose(self) -> None:
        """Stops whatever writes them."""
        ...


class Planner(Protocol):
    """What writes plans: `LLMPlanner`, or anything else that streams tasks after those they need."""

    def plan(self, question: str, *, earlier: Sequence[Round] = (), reason: str = "") -> Tasks:
        """Streams the tasks of a plan. Ids of earlier rounds are taken."""
        ...


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a question ended.

    Attributes:
        text: the answer, or the best that could be said.
        evidence: ids of the tasks it rests on.
        ending: why the search ended there.
        rounds: every plan with its outcomes.
        usage: model tokens of planner and joiner.
    """

    text: str
    evidence: tuple[str, ...] = ()
    ending: Ending = "answered"
    rounds: tuple[Round, ...] = ()
    usage: Usage = field(default_factory=Usage)

    @property
    def complete(self) -> bool:
        """Whether the joiner found that the results answer the question."""
        return self.ending == "answered"

    @property
    def plan(self) -> Plan:
        """The tasks of all rounds as one plan."""
        return Plan(task for done in self.rounds for task in done.plan)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each task of every round ended, by id."""
        return {name: outcome for done in self.rounds for name, outcome in done.outcomes.items()}


class CompilerPolicy:
    """Answers questions by plans (Kim et al. 2023, arXiv 2312.04511).

    Args:
        planner: writes the plans.
        executor: runs them, each task as soon as it can.
        joiner: reads the results.
        max_replans: further rounds after the first. When they are used up, the joiner answers from what there is.
        observe: receives `Replanned` and `TaskReused`; planner, executor and joiner have observers of their own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        planner: Planner,
        executor: Executor,
        joiner: Joiner,
        *,
        max_replans: int = 2,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.planner = planner
        self.executor = executor
        self.joiner = joiner
        self.max_replans = max_replans
        self._observe = observe or ignore
        self._clock = clock

    async def answer(self, question: str) -> Conclusion:
        """Plans, runs and joins until the joiner is content or nothing more can be done.

        Raises:
            PlannerError: there is no first plan, or no usable decision about its results.
            Exception: whatever a model raised, or a tool whose policy is to end the run.
        """
        rounds: list[Round] = []
        usage = Usage()
        reason = ""
        for number in range(self.max_replans + 1):
            reuse = Reuse(rounds)
            stream = self.planner.plan(question, earlier=rounds, reason=reason)
            written = _Written(stream, reuse, lenient=number > 0, on_reuse=self._on_reuse)
            prior = {name: outcome for done in rounds for name, outcome in done.outcomes.items()}
            outcomes = await self.executor.run(written.tasks(), prior=prior)
            rounds.append(Round(Plan(written.given, known=prior), outcomes))
            usage += stream.usage
            ending = _ending(number, self.max_replans, reuse, written.error)
            decision, joined = await self.joiner.join(question, rounds, final=ending is not None)
            usage += joined
            if isinstance(decision, Finish):
                return Conclusion(decision.answer, decision.tasks, ending or "answered", (*rounds,), usage)
            reason = decision.reason
            self._observe(Replanned(self._clock(), reason))
        raise AssertionError("the last round is final, and a final decision finishes")

    def _on_reuse(self, task: str, earlier: str) -> None:
        self._observe(TaskReused(self._clock(), task, earlier))


class _Written:
    """The tasks of one round on their way to the executor, and what became of their plan."""

    def __init__(self, stream: Tasks, reuse: Reuse, *, lenient: bool, on_reuse: Callable[[str, str], None]) -> None:
        self.given: list[Task] = []
        self.error: PlannerError | None = None
        self._stream = stream
        self._reuse = reuse
        self._lenient = lenient
        self._on_reuse = on_reuse

    async def tasks(self) -> AsyncGenerator[Task]:
        async with aclosing(self._stream) as stream:
            try:
                async for task in stream:
                    taken = self._reuse.take(task)
                    if isinstance(taken, str):
                        self._on_reuse(task.id, taken)
                    else:
                        self.given.append(taken)
                        yield taken
            except PlannerError as error:
                # There are results of earlier rounds to answer from, and calls under way to wait for.
                if not self._lenient:
                    raise
                self.error = error


def _ending(number: int, max_replans: int, reuse: Reuse, error: PlannerError | None) -> Ending | None:
    """Why this round must be the last, if it must."""
    if error is not None:
        return "planning failed"
    if number > 0 and not reuse.new:
        return "no progress"
    return "budget" if number == max_replans else None
