"""What a question comes back with: the text, and everything it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, cast

from executor import Account, Failed, Finished, Outcome, Plan, Skipped, as_text, plain
from executor.journal import new_run_id
from planner import Conclusion, Usage
from planner.policies import Ending

_PREVIEW = 2_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """A result the answer rests on.

    Attributes:
        task: id of the task that found it.
        title: what the source calls it; the tool's name where it has none.
        text: the passage, or the result as text, at most 2,000 characters.
        source: where the tool found it; empty when it did not say.
    """

    task: str
    title: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds.

    Attributes:
        wall: from question to answer.
        first_task: from question to the first task's start; None without tasks.
        planning: the model writing plans, over all rounds.
        tasks: all calls one after another, the sum of their durations.
        joining: the model reading results and answering.
    """

    wall: float = 0.0
    first_task: float | None = None
    planning: float = 0.0
    tasks: float = 0.0
    joining: float = 0.0

    @property
    def one_by_one(self) -> float:
        """What the same work would have taken with nothing side by side."""
        return self.planning + self.tasks + self.joining

    @property
    def saved(self) -> float:
        """Seconds saved against `one_by_one`."""
        return max(0.0, self.one_by_one - self.wall)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        text: the answer.
        ending: why the search ended; only `answered` means that the joiner was content with the results.
        plan: every task of every round.
        results: how each task ended, by id.
        evidence: the results `text` rests on, as the joiner named them.
        replans: further rounds that were needed.
        note: what the reader should know about how it came to be: a budget that is spent.
    """

    text: str
    plan: Plan
    results: Mapping[str, Outcome]
    run_id: str
    ending: Ending = "answered"
    evidence: tuple[Evidence, ...] = ()
    replans: int = 0
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """The answer as plain JSON data."""
        return {
            "answer": self.text,
            "ending": self.ending,
            "run_id": self.run_id,
            "plan": self.plan.to_json(),
            "results": {name: outcome_json(outcome) for name, outcome in self.results.items()},
            "evidence": [asdict(item) for item in self.evidence],
            "replans": self.replans,
            "note": self.note,
            "usage": self.usage.to_json(),
            "timings": {**asdict(self.timings), "saved": self.timings.saved},
        }


class Answered(NamedTuple):
    """The last event of a stream: the question is answered."""

    time: float
    answer: Answer


def answer_of(
    conclusion: Conclusion, timings: Timings, run_id: str | None = None, account: Account | None = None
) -> Answer:
    """What a policy came to, as the answer to its question. Without a run id one is made up."""
    return Answer(
        text=conclusion.text,
        plan=conclusion.plan,
        results=conclusion.outcomes,
        run_id=run_id or new_run_id(),
        ending=conclusion.ending,
        evidence=evidence_of(conclusion.plan, conclusion.outcomes, conclusion.evidence),
        replans=len(conclusion.rounds) - 1,
        usage=conclusion.usage,
        timings=timings,
        note="" if account is None else account.note,
    )


def evidence_of(plan: Plan, results: Mapping[str, Outcome], rests_on: tuple[str, ...]) -> tuple[Evidence, ...]:
    """The results of the tasks in `rests_on`; a result that is a list of passages gives one piece each."""
    found: list[Evidence] = []
    for name in rests_on:
        outcome = results.get(name)
        if isinstance(outcome, Finished) and name in plan:
            found.extend(_pieces(name, plan[name].call, plain(outcome.value)))
    return tuple(found)


def _pieces(task: str, tool: str, value: object) -> list[Evidence]:
    items: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    passages = [cast("dict[str, object]", item) for item in items if isinstance(item, dict) and "text" in item]
    if not passages or len(passages) < len(items):
        return [Evidence(task, tool, as_text(cast(object, value))[:_PREVIEW])]
    return [
        Evidence(task, str(passage.get("title", tool)), str(passage["text"])[:_PREVIEW], str(passage.get("source", "")))
        for passage in passages
    ]


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """How a task ended, as plain JSON data."""
    match outcome:
        case Finished(value, started, ended):
            return {"state": "finished", "value": plain(value), "seconds": ended - started}
        case Failed(error, started, ended):
            return {"state": "failed", "error": str(error), "seconds": ended - started}
        case Skipped(because):
            return {"state": "skipped", "because": because}
