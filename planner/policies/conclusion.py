"""How a question ended, whatever way led there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from executor import Finished, Outcome, Plan, Toolset
from planner.events import Usage
from planner.examples import Example
from planner.lines import as_lines
from planner.rounds import Round

Ending = Literal["answered", "budget", "no progress", "planning failed"]
"""Why the search ended; only `answered` is complete."""


@dataclass(frozen=True, slots=True)
class StepPair:
    """Two steps from one point, the first of which led to the answer: a preference, as TP-LLaMA learns from.

    Attributes:
        prompt: the messages before, each with `role` and `content`.
        chosen: the step that succeeded.
        rejected: its sibling that failed.
        task: the question.
    """

    prompt: tuple[dict[str, str], ...]
    chosen: str
    rejected: str
    task: str = ""

    def to_json(self) -> dict[str, Any]:
        """One row of preference data, as trajectory stores and trainers read it."""
        return {
            "prompt": list(self.prompt),
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
            "source": "planner",
            "task": self.task,
        }


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a question ended.

    Attributes:
        text: the answer, or the best that could be said.
        evidence: ids of the tasks it rests on.
        ending: why the search ended there.
        rounds: every plan with its outcomes.
        usage: model tokens of planner and joiner.
        pairs: preferences found on the way, where the policy tries more than one step from a point.
        planned: whether calls were planned before their results were there.
    """

    text: str
    evidence: tuple[str, ...] = ()
    ending: Ending = "answered"
    rounds: tuple[Round, ...] = ()
    usage: Usage = field(default_factory=Usage)
    pairs: tuple[StepPair, ...] = ()
    planned: bool = False

    @property
    def complete(self) -> bool:
        """Whether the joiner found that the results answer the question."""
        return self.ending == "answered"

    @property
    def plan(self) -> Plan:
        """The tasks of all rounds as one plan."""
        return Plan(task for done in self.rounds for task in done.plan)

    def example(self, question: str, tools: Toolset) -> Example | None:
        """The plan as an example of how such questions are planned for, where it is one.

        That takes one plan, all of whose calls succeeded, and an answer that rests on some of them.
        """
        if not (self.planned and self.complete and self.evidence and len(self.rounds) == 1):
            return None
        plan, outcomes = self.rounds[0]
        if not all(isinstance(outcomes.get(task.id), Finished) for task in plan):
            return None
        numbers = [int(task.id) for task in plan if task.id.isdecimal()]
        if len(numbers) != len([*plan]):
            return None
        return Example(question, f"{as_lines(plan, tools)}\n{max(numbers) + 1}. join()")

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each task of every round ended, by id."""
        return {name: outcome for done in self.rounds for name, outcome in done.outcomes.items()}
