"""How a question ended, whatever way led there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from executor import Outcome, Plan
from planner.events import Usage
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
    """

    text: str
    evidence: tuple[str, ...] = ()
    ending: Ending = "answered"
    rounds: tuple[Round, ...] = ()
    usage: Usage = field(default_factory=Usage)
    pairs: tuple[StepPair, ...] = ()

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
