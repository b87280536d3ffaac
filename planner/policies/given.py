"""A plan that is there already: written by hand, or changed by a person."""

from __future__ import annotations

from typing import cast

from executor import Executor, Plan
from planner.joiner import Finish, Joiner
from planner.policies.conclusion import Conclusion
from planner.rounds import Round


class GivenPlan:
    """Answers from the results of one plan. The model is asked for the answer alone.

    Args:
        plan: run as it is; there is no second one.
        executor: runs it.
        joiner: reads the results.
    """

    def __init__(self, plan: Plan, executor: Executor, joiner: Joiner) -> None:
        self.plan = plan
        self.executor = executor
        self.joiner = joiner

    async def answer(self, question: str) -> Conclusion:
        """Runs the plan and answers from what it found, if need be that it found nothing.

        Raises:
            PlannerError: there is no usable decision about the results.
            Exception: whatever the model raised, or a tool whose policy is to end the run.
        """
        done = Round(self.plan, await self.executor.run(self.plan))
        decision, usage = await self.joiner.join(question, [done], final=True)
        finish = cast(Finish, decision)  # a final decision finishes
        return Conclusion(finish.answer, finish.tasks, "answered", (done,), usage)
