"""Depth-first search over tool steps (DFSDT of ToolLLM, Qin et al. 2023, arXiv 2307.16789).

A step that fails is taken back, and the model is asked for another one from the same point, with the failed ones in
view. Along the way to the answer every failed sibling makes a preference pair (TP-LLaMA, Chen et al. 2024,
arXiv 2406.07115).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from executor import Executor, Finished, Outcome, Plan
from planner.errors import PlanningFailed
from planner.events import Joined, PlannerObserver, Usage, ignore
from planner.policies.conclusion import Conclusion, Ending, StepPair
from planner.policies.steps import Step, StepWriter
from planner.rounds import Round, ending, ids_with_value, one_line

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class DfsdtPolicy:
    """Answers questions by searching for a way to the answer.

    Args:
        writer: asks the model; made with `backwards=True`, so that it may give a way up.
        executor: makes the calls.
        width: steps tried from one point.
        depth: steps in a row.
        max_steps: steps in all. Then the model must answer from the longest way it went.
        observe: receives `Joined` at the end.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        writer: StepWriter,
        executor: Executor,
        *,
        width: int = 2,
        depth: int = 8,
        max_steps: int = 24,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writer = writer
        self.executor = executor
        self.width = width
        self.depth = depth
        self.max_steps = max_steps
        self._observe = observe or ignore
        self._clock = clock

    async def answer(self, question: str) -> Conclusion:
        """Searches until the model finishes, every way was tried, or the steps are used up.

        Raises:
            PlanningFailed: not even an answer could be read.
            Exception: whatever the model raised, or a tool whose policy is to end the run.
        """
        search = _Search(self, question)
        opening = self.writer.opening(question)
        text = await search.go_on(opening, {}, 0)
        how: Ending = "answered"
        if text is None:
            how = "budget" if search.number > self.max_steps else "no progress"
            messages, outcomes = search.longest
            step, spent = await self.writer.next(messages or opening, outcomes, search.number, final=True)
            search.usage += spent
            text = step.answer or ""
        ids = tuple(ids_with_value(search.rounds))
        self._observe(Joined(self._clock(), text, ids, search.usage, 0.0))
        return Conclusion(text, ids, how, (*search.rounds,), search.usage, (*search.pairs,))


class _Search:
    def __init__(self, policy: DfsdtPolicy, question: str) -> None:
        self.policy = policy
        self.question = question
        self.rounds: list[Round] = []
        self.pairs: list[StepPair] = []
        self.usage = Usage()
        self.number = 1
        self.longest: tuple[list[BaseMessage], dict[str, Outcome]] = ([], {})

    async def go_on(self, messages: list[BaseMessage], outcomes: dict[str, Outcome], depth: int) -> str | None:
        """The answer from here; None when every way from here was tried."""
        if len(messages) > len(self.longest[0]):
            self.longest = (messages, outcomes)
        failed: list[Step] = []
        reasons: list[str] = []
        while len(failed) < self.policy.width and depth < self.policy.depth and self.number <= self.policy.max_steps:
            try:
                asked = [*messages, *self._warned(reasons)]
                step, spent = await self.policy.writer.next(asked, outcomes, self.number)
            except PlanningFailed:
                return None
            self.usage += spent
            self.number += 1
            if step.answer is not None:
                self._prefer(messages, step, failed)
                return step.answer
            if step.task is None:
                if step.back and not failed and depth:
                    return None
                failed.append(step)
                reasons.append(f"{one_line(step.text, 200)}: {one_line(step.back, 200)}")
                continue
            text, why = await self._try(step, messages, outcomes, depth)
            if text is not None:
                self._prefer(messages, step, failed)
                return text
            failed.append(step)
            reasons.append(why)
        return None

    async def _try(
        self, step: Step, messages: list[BaseMessage], outcomes: dict[str, Outcome], depth: int
    ) -> tuple[str | None, str]:
        task = step.task
        assert task is not None
        written = one_line(step.text.rsplit("\n", 1)[-1], 200)
        ended = await self.policy.executor.run([task], prior=outcomes)
        self.rounds.append(Round(Plan([task], known=outcomes), ended))
        outcome = ended.get(task.id)
        if not isinstance(outcome, Finished):
            return None, f"{written} -> {ending(outcome, 200)}"
        further = [*messages, *self.policy.writer.shown(step, outcome)]
        text = await self.go_on(further, {**outcomes, **ended}, depth + 1)
        return text, f"{written} led nowhere"

    def _warned(self, reasons: Sequence[str]) -> list[BaseMessage]:
        from langchain_core.messages import HumanMessage

        if not reasons:
            return []
        tried = "\n".join(reasons)
        return [HumanMessage(content=f"From here this was tried and failed:\n{tried}\nTry something else.")]

    def _prefer(self, messages: Sequence[BaseMessage], step: Step, failed: Sequence[Step]) -> None:
        prompt = tuple({"role": _ROLES.get(m.type, m.type), "content": str(m.text)} for m in messages)
        self.pairs += [StepPair(prompt, step.text, sibling.text, self.question) for sibling in failed]
