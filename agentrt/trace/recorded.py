"""A run as it went, folded from its events: what every picture of it is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from agentrt.trace.errors import TraceError
from agentrt.trace.records import Record
from agentrt.trace.timeline import skipped_because
from executor import PlanError, Task

State = Literal["waiting", "running", "finished", "failed", "skipped"]


class Retry(NamedTuple):
    """An attempt that failed and was followed by another `wait` seconds later."""

    time: float
    attempt: int
    wait: float
    error: str


@dataclass(slots=True)
class TaskTrace:
    """One task's way. Times are seconds since the run began.

    Attributes:
        task: the call as it was planned.
        round: the plan it belongs to, from 0.
        added: when its line was written.
        value: its result as JSON data; None unless finished.
        note: the error, or why it never ran.
        marks: further facts for people, by name: a person's answer, where a cached result came from, taint.
    """

    task: Task
    round: int
    added: float
    state: State = "waiting"
    started: float | None = None
    ended: float | None = None
    retries: list[Retry] = field(default_factory=list[Retry])
    value: object = None
    note: str = ""
    marks: dict[str, str] = field(default_factory=dict[str, str])

    elements: list[str] = field(default_factory=list[str])

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids it waits for; of one that was made for each element of a list, those elements too."""
        return (*self.task.needs, *self.task.mentions, *self.elements)

    @property
    def seconds(self) -> float:
        """How long its call took, all attempts and the time between them included."""
        return self.ended - self.started if self.started is not None and self.ended is not None else 0.0


@dataclass(slots=True)
class Phase:
    """The model writing a plan, or reading results. Times are seconds since the run began.

    Attributes:
        usage: tokens, as `planner.Usage` names them.
        text: the plan as it was written, or the answer.
        notes: warnings, refused plans, reused calls, and why another round followed.
        tasks: ids an answer rests on.
    """

    kind: Literal["plan", "join"]
    round: int
    started: float
    ended: float | None = None
    usage: Mapping[str, int] = field(default_factory=dict[str, int])
    text: str = ""
    notes: list[str] = field(default_factory=list[str])
    tasks: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name among the steps of a run: no task's id has a blank in it."""
        return f"{self.kind} {self.round + 1}"

    @property
    def seconds(self) -> float:
        """How long the model took; 0 while it is not known."""
        return 0.0 if self.ended is None else self.ended - self.started


@dataclass(slots=True)
class RunTrace:
    """A whole run.

    Attributes:
        tasks: by id, in the order they were planned.
        phases: the model's work, in order.
        answer: `Answer.to_json()`, where the run came to one.
        resumed: how often another process went on with it.
        began: seconds since the epoch at which the run began; None where no record says so.
        wall: seconds from the first event to the last.
        others: how many events of kinds that are not shown, by kind.
    """

    run_id: str = ""
    question: str = ""
    tasks: dict[str, TaskTrace] = field(default_factory=dict[str, TaskTrace])
    phases: list[Phase] = field(default_factory=list[Phase])
    answer: Mapping[str, Any] | None = None
    resumed: int = 0
    began: float | None = None
    wall: float = 0.0
    others: Counter[str] = field(default_factory=Counter[str])

    @property
    def replans(self) -> int:
        """Plans after the first."""
        return max(0, sum(phase.kind == "plan" for phase in self.phases) - 1)

    @property
    def usage(self) -> Counter[str]:
        """Tokens of all phases together."""
        total: Counter[str] = Counter()
        for phase in self.phases:
            total.update({name: count for name, count in phase.usage.items() if count})
        return total

    @property
    def one_by_one(self) -> float:
        """Seconds the same work would have taken with nothing side by side."""
        return sum(task.seconds for task in self.tasks.values()) + sum(phase.seconds for phase in self.phases)


def run_trace(records: Iterable[Record]) -> RunTrace:
    """Folds the events of one run.

    Raises:
        TraceError: an event speaks of a task that none has added, or lacks what its kind has.
    """
    fold = _Fold()
    for number, event in enumerate(records, 1):
        try:
            fold.take(event)
        except PlanError as error:
            raise TraceError(f"event {number} ({event['event']}): {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise TraceError(f"event {number} ({event['event']}) cannot be read: {what}") from error
    return fold.trace


class _Fold:
    def __init__(self) -> None:
        self.trace = RunTrace()
        self.origin: float | None = None
        self.round = 0
        self._kinds: dict[str, Callable[[Record, float], None]] = {
            "Run": self._run,
            "TaskAdded": self._added,
            "TaskStarted": self._started,
            "TaskRetried": self._retried,
            "TaskFinished": self._finished,
            "TaskFailed": self._failed,
            "TaskSkipped": self._skipped,
            "TaskReused": self._reused,
            "TaskCached": self._cached,
            "ApprovalAsked": self._approval_asked,
            "ApprovalGiven": self._approval_given,
            "Resumed": self._resumed,
            "PlanStarted": self._plan_started,
            "PlanText": self._plan_text,
            "PlanWarning": self._plan_warning,
            "PlanRejected": self._plan_rejected,
            "PlanFinished": self._plan_finished,
            "JoinStarted": self._join_started,
            "Joined": self._joined,
            "Replanned": self._replanned,
            "Answered": self._answered,
        }

    def take(self, event: Record) -> None:
        now = float(event["time"])
        if self.origin is None:
            self.origin = now
        at = now - self.origin
        self.trace.wall = max(self.trace.wall, at)
        kind = self._kinds.get(event["event"])
        if kind is None:
            self.trace.others[event["event"]] += 1
        else:
            kind(event, at)

    def _run(self, event: Record, at: float) -> None:
        self.trace.run_id = str(event.get("run_id") or self.trace.run_id)
        self.trace.question = str(event.get("question") or self.trace.question)
        if isinstance(event.get("at"), int | float):
            self.trace.began = event["at"] - at

    def _task(self, event: Record) -> TaskTrace:
        name = str(event["id"])
        if name not in self.trace.tasks:
            raise ValueError(f"it speaks of task {name}, but no TaskAdded before it does")
        return self.trace.tasks[name]

    def _added(self, event: Record, at: float) -> None:
        task = Task.from_json(event["task"])
        self.trace.tasks[task.id] = TaskTrace(task, self.round, at)
        # An element of a list is called after the task that was made for the list: `3[0]`.
        whole = self.trace.tasks.get(task.id.rpartition("[")[0]) if task.id.endswith("]") else None
        if whole is not None:
            whole.elements.append(task.id)

    def _started(self, event: Record, at: float) -> None:
        task = self._task(event)
        task.state, task.started = "running", at

    def _retried(self, event: Record, at: float) -> None:
        retry = Retry(at, int(event["attempt"]), float(event["wait"]), str(event["error"]))
        self._task(event).retries.append(retry)

    def _finished(self, event: Record, at: float) -> None:
        task = self._task(event)
        task.state, task.ended, task.value = "finished", at, event["value"]

    def _failed(self, event: Record, at: float) -> None:
        task = self._task(event)
        task.state, task.ended, task.note = "failed", at, str(event["error"])

    def _skipped(self, event: Record, at: float) -> None:
        task = self._task(event)
        task.state, task.note = "skipped", skipped_because(str(event["id"]), str(event["because"]))

    def _reused(self, event: Record, at: float) -> None:
        self._note("plan", f"task {event['id']} was not run again: task {event['earlier']} has its result")

    def _cached(self, event: Record, at: float) -> None:
        self._task(event).marks["Not called"] = f"an equal call had its result already ({event['source']})"

    def _approval_asked(self, event: Record, at: float) -> None:
        task = self._task(event)
        task.marks["Asked a person"] = f"{event['question']} ({event['why']})"
        if event.get("origins"):
            task.marks["Rests on untrusted results"] = "; ".join(str(chain) for chain in event["origins"])

    def _approval_given(self, event: Record, at: float) -> None:
        note = f": {event['note']}" if event.get("note") else ""
        self._task(event).marks["The person said"] = f"{event['answer']}{note}"

    def _resumed(self, event: Record, at: float) -> None:
        self.trace.resumed += 1

    def _plan_started(self, event: Record, at: float) -> None:
        self.round = int(event["round"])
        if event["attempt"] and (phase := self._last("plan")) is not None and phase.round == self.round:
            phase.text += "\n"  # a correction goes on where the first attempt stood
            return
        self.trace.phases.append(Phase("plan", self.round, at))

    def _plan_text(self, event: Record, at: float) -> None:
        if phase := self._last("plan"):
            phase.text += str(event["text"])

    def _plan_warning(self, event: Record, at: float) -> None:
        self._note("plan", f"line {event['line']}, column {event['column']}: {event['message']}")

    def _plan_rejected(self, event: Record, at: float) -> None:
        asked = "and the model was asked to correct it" if event["again"] else "and that was its last attempt"
        self._note("plan", f"the plan was refused, {asked}: {'; '.join(map(str, event['problems']))}")

    def _plan_finished(self, event: Record, at: float) -> None:
        phase = self._last("plan")
        if phase is None:
            phase = Phase("plan", self.round, at - float(event["seconds"]))
            self.trace.phases.append(phase)
        phase.ended, phase.usage = at, _usage(event)

    def _join_started(self, event: Record, at: float) -> None:
        phase = Phase("join", self.round, at)
        if event["final"]:
            phase.notes.append("no further plan was allowed: it had to answer")
        self.trace.phases.append(phase)

    def _joined(self, event: Record, at: float) -> None:
        phase = self._last("join")
        if phase is None:
            phase = Phase("join", self.round, at - float(event["seconds"]))
            self.trace.phases.append(phase)
        phase.ended, phase.usage = at, _usage(event)
        phase.text = str(event["answer"] or "")
        phase.tasks = tuple(str(name) for name in event["tasks"])

    def _replanned(self, event: Record, at: float) -> None:
        self._note("join", f"it asked for another plan: {event['reason']}")

    def _answered(self, event: Record, at: float) -> None:
        self.trace.answer = event["answer"]
        self.trace.run_id = str(event["answer"].get("run_id") or self.trace.run_id)

    def _last(self, kind: str) -> Phase | None:
        return next((phase for phase in reversed(self.trace.phases) if phase.kind == kind), None)

    def _note(self, kind: str, text: str) -> None:
        if phase := self._last(kind):
            phase.notes.append(text)


def _usage(event: Record) -> Mapping[str, int]:
    return {str(name): int(count) for name, count in event["usage"].items()}
