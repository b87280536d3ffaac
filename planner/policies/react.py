"""ReAct (Yao et al. 2022, arXiv 2210.03629): think, call one tool, look, and so on.

The baseline that plans are measured against, and what is left where a model cannot write one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from executor import Executor, Outcome, Plan
from planner.errors import PlanningFailed
from planner.events import Joined, PlannerObserver, Usage, ignore
from planner.passes.reuse import Reuse
from planner.policies.conclusion import Conclusion, Ending
from planner.policies.steps import StepWriter
from planner.rounds import Round, ids_with_value


class ReactPolicy:
    """Answers questions one call at a time.

    A call that was made already is not made again; its result is shown again. Twice in a row is no progress.

    Args:
        writer: asks the model.
        executor: makes the calls.
        max_steps: calls, the last of which must be the answer.
        observe: receives `Joined` at the end; writer and executor have observers of their own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        writer: StepWriter,
        executor: Executor,
        *,
        max_steps: int = 10,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writer = writer
        self.executor = executor
        self.max_steps = max_steps
        self._observe = observe or ignore
        self._clock = clock

    async def answer(self, question: str) -> Conclusion:
        """Calls tools until the model finishes or nothing more can be done.

        Raises:
            PlanningFailed: not even an answer could be read.
            Exception: whatever the model raised, or a tool whose policy is to end the run.
        """
        messages = self.writer.opening(question)
        rounds: list[Round] = []
        outcomes: dict[str, Outcome] = {}
        usage = Usage()
        ending: Ending = "answered"
        repeated = 0
        number = 1
        while True:
            final = ending != "answered" or number >= self.max_steps
            if final and ending == "answered":
                ending = "budget"
            try:
                step, spent = await self.writer.next(messages, outcomes, number, final=final)
            except PlanningFailed:
                if final or not rounds:
                    raise
                ending = "planning failed"
                continue
            usage += spent
            if step.task is None:
                text = step.answer or ""
                ids = tuple(ids_with_value(rounds))
                self._observe(Joined(self._clock(), text, ids, spent, 0.0))
                return Conclusion(text, ids, ending, (*rounds,), usage)
            taken = Reuse(rounds).take(step.task)
            if isinstance(taken, str):
                repeated += 1
                earlier = outcomes[taken]
                messages += self.writer.shown(step, earlier, f"This call was made already: see result {taken}.")
                ending = "no progress" if repeated > 1 else ending
                number += 1
                continue
            repeated = 0
            ended = await self.executor.run([taken], prior=outcomes)
            rounds.append(Round(Plan([taken], known=outcomes), ended))
            outcomes |= ended
            messages += self.writer.shown(step, ended.get(taken.id))
            number += 1
