"""The compiler policy: plan, run while the plan is written, join, and plan again if need be."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from executor import BudgetSpent, Executor, Plan, Task
from planner.errors import PlannerError
from planner.events import PlannerObserver, PlanRewritten, Replanned, TaskReused, Usage, ignore
from planner.joiner import Finish, Joiner
from planner.passes.merge import Merge
from planner.passes.pipeline import Pipeline
from planner.passes.reuse import Reuse
from planner.passes.speculate import Speculation
from planner.policies.conclusion import Conclusion, Ending
from planner.rounds import Round
from planner.writer import PlanStream


class Tasks(Protocol):
    """A stream of tasks, such as `PlanStream`. `usage` is what they took from the model so far."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Ids whose results the joiner needs; empty when it reads all."""
        ...

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


class CompilerPolicy:
    """Answers questions by plans (Kim et al. 2023, arXiv 2312.04511).

    Args:
        planner: writes the plans.
        executor: runs them, each task as soon as it can.
        joiner: reads the results.
        pipeline: passes over each plan. Only `merge` works while a plan is being written; with any other, a plan is
            run when it is complete.
        speculation: what the planner speculates with; the executor must have been made with its tools.
        max_replans: further rounds after the first. When they are used up, the joiner answers from what there is.
        may_go_on: asked after each round whether there is budget for another one.
        observe: receives `Replanned` and `TaskReused`; planner, executor and joiner have observers of their own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        planner: Planner,
        executor: Executor,
        joiner: Joiner,
        *,
        pipeline: Pipeline | None = None,
        speculation: Speculation | None = None,
        max_replans: int = 2,
        may_go_on: Callable[[], bool] | None = None,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.planner = planner
        self.executor = executor
        self.joiner = joiner
        self.pipeline = pipeline
        self.speculation = speculation
        self.max_replans = max_replans
        self._may_go_on = may_go_on
        self._observe = observe or ignore
        self._clock = clock
        # What needs a whole plan; identical calls are merged while it is written.
        left = [name for name in pipeline.passes if name != "merge"] if pipeline is not None else []
        self._whole = Pipeline(pipeline.tools, left, seconds=pipeline.seconds) if pipeline and left else None

    async def answer(self, question: str) -> Conclusion:
        """Plans, runs and joins until the joiner is content or nothing more can be done.

        Raises:
            PlannerError: there is no first plan, or no usable decision about its results.
            Exception: whatever a model raised, or a tool whose policy is to end the run.
        """
        if self.speculation is None:
            return await self._answer(question)
        async with self.speculation:
            return await self._answer(question)

    async def _answer(self, question: str) -> Conclusion:
        rounds: list[Round] = []
        usage = Usage()
        reason = ""
        for number in range(self.max_replans + 1):
            reuse = Reuse(rounds)
            stream = self.planner.plan(question, earlier=rounds, reason=reason)
            written = _Written(stream, reuse, self._merge(), lenient=number > 0, on_reuse=self._on_reuse)
            prior = {name: outcome for done in rounds for name, outcome in done.outcomes.items()}
            if self._whole is None:
                outcomes = await self.executor.run(written.tasks(), prior=prior)
                plan = Plan(written.given, known=prior)
            else:
                plan = Plan([task async for task in written.tasks()], known=prior)
                reads = (stream.reads if isinstance(stream, PlanStream) else ()) or None
                plan = self._whole.apply(plan, reads=reads, on_note=self._on_note).plan
                outcomes = await self.executor.run(plan, prior=prior)
            rounds.append(Round(plan, outcomes))
            usage += stream.usage
            ending = _ending(number, self.max_replans, reuse, written.error)
            if ending is None and self._may_go_on is not None and not self._may_go_on():
                ending = "budget"
            decision, joined = await self.joiner.join(question, rounds, final=ending is not None)
            usage += joined
            if isinstance(decision, Finish):
                how: Ending = ending or "answered"
                return Conclusion(decision.answer, decision.tasks, how, (*rounds,), usage, planned=True)
            reason = decision.reason
            self._observe(Replanned(self._clock(), reason))
        raise AssertionError("the last round is final, and a final decision finishes")

    def _merge(self) -> Merge | None:
        merges = self.pipeline is not None and "merge" in self.pipeline.passes
        return Merge(self.executor.tools) if merges else None

    def _on_note(self, by: str, note: str) -> None:
        self._observe(PlanRewritten(self._clock(), by, note))

    def _on_reuse(self, task: str, earlier: str) -> None:
        self._observe(TaskReused(self._clock(), task, earlier))


class _Written:
    """The tasks of one round on their way to the executor, and what became of their plan."""

    def __init__(
        self,
        stream: Tasks,
        reuse: Reuse,
        merge: Merge | None,
        *,
        lenient: bool,
        on_reuse: Callable[[str, str], None],
    ) -> None:
        self.given: list[Task] = []
        self.error: PlannerError | BudgetSpent | None = None
        self._stream = stream
        self._reuse = reuse
        self._merge = merge
        self._lenient = lenient
        self._on_reuse = on_reuse

    async def tasks(self) -> AsyncGenerator[Task]:
        async with aclosing(self._stream) as stream:
            try:
                async for task in stream:
                    taken = self._reuse.take(task)
                    if self._merge is not None and isinstance(taken, Task):
                        taken = self._merge.take(taken)
                    if isinstance(taken, str):
                        self._on_reuse(task.id, taken)
                    else:
                        self.given.append(taken)
                        yield taken
            except (PlannerError, BudgetSpent) as error:
                # There are results of earlier rounds to answer from, and calls under way to wait for.
                if not self._lenient:
                    raise
                self.error = error


def _ending(number: int, max_replans: int, reuse: Reuse, error: PlannerError | BudgetSpent | None) -> Ending | None:
    """Why this round must be the last, if it must."""
    if error is not None:
        return "budget" if isinstance(error, BudgetSpent) else "planning failed"
    if number > 0 and not reuse.new:
        return "no progress"
    return "budget" if number == max_replans else None
