"""Random plans that fail, are cancelled, crash, are resumed and replanned, against a naive model of how they end.

A crash here is a journal that keeps nothing any more, from a group of records on: what the dying process still does is
lost, as after `kill -9` (tests/faults kills real processes). After every crash another journal object takes over what
had been kept, and the run is resumed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from executor import Executor, Failed, Finished, Outcome, Ref, Retry, Skipped, Task, Tool, ToolContext
from executor.approval import Approval, Approvals, Verdict
from executor.journal import JournalError, MemoryJournal, Record, RunLog, Status

RUN = "r"
PLACES = 3
Manner = Literal["works", "fails", "fails first"]


@dataclass(frozen=True)
class Step:
    """A task before it is one: what it needs, what its tool does, and what its failure means."""

    needs: frozenset[int]
    effect: Literal["pure", "idempotent", "once"]
    manner: Manner
    policy: Literal["skip", "continue"]


class Crashed(JournalError):
    """The process is gone."""


class MortalJournal(MemoryJournal):
    """Dies at a group of records: before it is kept, or right after."""

    def __init__(self, groups: int | None = None, *, keeps_last: bool = False) -> None:
        super().__init__()
        self.left = groups
        self.keeps_last = keeps_last

    def heir(self, groups: int | None, *, keeps_last: bool) -> MortalJournal:
        """The journal as the next process finds it."""
        heir = MortalJournal(groups, keeps_last=keeps_last)
        heir._runs, heir._records, heir._blobs = self._runs, self._records, self._blobs
        return heir

    def append(
        self, run_id: str, records: Sequence[Record], *, status: Status | None = None, durable: bool = False
    ) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0 and self.keeps_last:
                super().append(run_id, records, status=status, durable=durable)
            if self.left <= 0:
                raise Crashed("the process is gone")
        super().append(run_id, records, status=status, durable=durable)


def shown(value: object) -> str:
    """A result as those who use it show it, an error with its type."""
    if isinstance(value, dict):
        return f"!{value['type']}"  # pyright: ignore[reportUnknownVariableType]
    return str(value)


def said(number: int, inputs: Sequence[object]) -> str:
    return f"{number}({','.join(map(shown, inputs))})"


def tasks_of(steps: Sequence[Step], first: int) -> list[Task]:
    return [
        Task(
            str(number),
            f"{step.effect} {step.manner}",
            {"number": number, "inputs": [Ref(str(need)) for need in sorted(step.needs)]},
            on_error=step.policy,
        )
        for number, step in enumerate(steps, first)
    ]


def expected(steps: Sequence[Step]) -> dict[str, str]:
    """How each task must end, whatever happened on the way: worked out in order, with no executor."""
    values: dict[int, object] = {}
    ends: dict[str, str] = {}
    for number, step in enumerate(steps):
        if any(need not in values for need in step.needs):
            ends[str(number)] = "skipped"
            continue
        fails = step.manner == "fails" or (step.manner == "fails first" and step.effect == "once")
        if fails:
            ends[str(number)] = "failed"
            if step.policy == "continue":
                values[number] = {"error": "", "type": "ConnectionError"}
        else:
            values[number] = said(number, [values[need] for need in sorted(step.needs)])
            ends[str(number)] = str(values[number])
    return ends


def told(outcome: Outcome) -> str:
    match outcome:
        case Finished(value):
            return str(value)
        case Failed():
            return "failed"
        case Skipped():
            return "skipped"


@st.composite
def plans(draw: st.DrawFn) -> list[Step]:
    made: list[Step] = []
    for number in range(draw(st.integers(1, 9))):
        needs = draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else frozenset[int]()
        made.append(
            Step(
                needs,
                draw(st.sampled_from(["pure", "idempotent", "once"])),
                draw(st.sampled_from(["works", "works", "fails", "fails first"])),
                draw(st.sampled_from(["skip", "continue"])),
            )
        )
    return made


class CrashMachine(RuleBasedStateMachine):
    """One run in several lives."""

    @initialize(steps=plans(), cut=st.integers(0, 9))
    def begin(self, steps: list[Step], cut: int) -> None:
        self.steps = steps
        self.ends = expected(steps)
        # A replan: the second part is planned when the first has ended, and may use its results.
        self.cut = min(cut, len(steps))
        self.journal = MortalJournal()
        self.lives = 0
        self.begun: Counter[str] = Counter()
        self.allowed: Counter[str] = Counter()
        self.succeeded: set[str] = set()
        self.kept: set[str] = set()
        self.keys: dict[str, set[str]] = {}
        self.finished = False

    @rule(groups=st.integers(1, 12), keeps_last=st.booleans())
    def crash(self, groups: int, keeps_last: bool) -> None:
        """A life that ends at a group of records, unless the run ends before."""
        if not self.finished:
            with suppress(Crashed):
                self.live(groups, keeps_last=keeps_last)

    @rule(calls=st.integers(1, 6))
    def cancel(self, calls: int) -> None:
        """A life whose run is cancelled when so many calls have begun."""
        if not self.finished:
            self.live(None, cancel_at=calls)

    @rule()
    def resume(self) -> None:
        """A life that nothing ends."""
        if not self.finished:
            self.live(None)
            assert self.finished

    @rule()
    def look_back(self) -> None:
        """A finished run that is resumed calls nothing."""
        if self.finished:
            before = self.begun.copy()
            self.live(None)
            assert self.begun == before

    @invariant()
    def calls_are_made_no_more_often_than_promised(self) -> None:
        for name, times in self.begun.items():
            step = self.steps[int(name)]
            tries = 2 if step.manner == "fails first" and step.effect != "once" else 1
            if step.effect == "once":
                assert times <= 1 + self.allowed[name], "a once call ran again unasked"
            else:
                assert times <= tries * self.lives, "more than once more for each life"
            assert len(self.keys[name]) == 1, "every call of a task has the same key"

    def teardown(self) -> None:
        if hasattr(self, "steps") and not self.finished:
            self.live(None)
            assert self.finished

    def live(self, groups: int | None, *, keeps_last: bool = False, cancel_at: int | None = None) -> None:
        self.journal = self.journal.heir(groups, keeps_last=keeps_last)
        self.lives += 1
        # What the journal has as ended before this life must not be called in it.
        self.kept = self.ended_in_journal()
        asyncio.run(self.run(cancel_at))

    def ended_in_journal(self) -> set[str]:
        if not any(info.id == RUN for info in self.journal.runs()):
            return set()
        records = self.journal.read(RUN, kinds=("TaskFinished", "TaskFailed"))
        ended = [record.task for record in records if record.task is not None]
        assert len(ended) == len(set(ended)), "a task has ended twice"
        return set(ended)

    async def run(self, cancel_at: int | None) -> None:
        running = 0
        calls = 0
        scope = asyncio.current_task()
        assert scope is not None

        def tool(effect: Any, manner: Manner) -> Tool:
            async def function(number: int, inputs: list[object], context: ToolContext) -> str:
                nonlocal running, calls
                name = context.task
                assert name not in self.kept, "what has ended was called again"
                self.begun[name] += 1
                self.keys.setdefault(name, set()).add(context.key)
                running += 1
                calls += 1
                assert running <= PLACES
                try:
                    if calls == cancel_at:
                        scope.cancel()
                    await asyncio.sleep(0)
                    if manner == "fails" or (manner == "fails first" and context.attempt == 1):
                        raise ConnectionError("no")
                    self.succeeded.add(name)
                    return said(number, inputs)
                finally:
                    running -= 1

            retry = Retry(attempts=2, wait=0) if manner == "fails first" and effect != "once" else None
            return Tool(name=f"{effect} {manner}", function=function, effect=effect, retry=retry, context="context")

        async def ask(approval: Approval) -> Verdict:
            """A person who looks whether the call happened; one that raised did nothing."""
            assert approval.why == "unknown"
            if approval.task in self.succeeded:
                return Verdict("value", value=self.ends[approval.task])
            self.allowed[approval.task] += 1
            return Verdict("yes")

        effects: tuple[Any, ...] = ("pure", "idempotent", "once")
        manners: tuple[Manner, ...] = ("works", "fails", "fails first")
        tools = [tool(effect, manner) for effect in effects for manner in manners]
        started = any(info.id == RUN for info in self.journal.runs())
        log = RunLog.resume(self.journal, RUN) if started else RunLog.start(self.journal, run_id=RUN)
        executor = Executor(tools, approvals=Approvals(ask), concurrency=PLACES)
        tasks = tasks_of(self.steps, 0)
        outcomes: Mapping[str, Outcome] = {}
        try:
            for part in (tasks[: self.cut], tasks[self.cut :]):
                outcomes = {**outcomes, **await executor.run(part, prior=outcomes, log=log)}
        except asyncio.CancelledError:
            scope.uncancel()
            log.settle()
            return
        log.end("finished")
        assert {name: told(end) for name, end in outcomes.items()} == self.ends
        self.finished = True


TestCrashes = CrashMachine.TestCase
TestCrashes.settings = settings(max_examples=150, stateful_step_count=8, deadline=None)
