"""What stands between a ready task and its value, where that is more than a plain call.

In this order: the journal's memory of it, its condition, its elements, a person's yes, the cache, the budget, a place
among the calls, the intent on disk, and the call. The hot loop comes here only for tasks and tools that need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from executor.approval import Approval, Approvals, Parked, RunCancelled, Verdict, Why, described
from executor.budget import Account, BudgetSpent
from executor.cache import ResultCache
from executor.call import call
from executor.conditions import condition_references, holds
from executor.elements import Elements
from executor.errors import ArgumentMismatch, ConditionError, NotAllowed, ToolFailed, ToolTimeout
from executor.events import ApprovalAsked, ApprovalGiven, TaskCached, TaskEvent, TaskRetried, TaskStarted
from executor.journal import RunLog
from executor.limits import Limits
from executor.mailbox import Mailbox
from executor.outcomes import Finished
from executor.plan import Task
from executor.priority import Priorities
from executor.refs import references
from executor.resume import Recall
from executor.taint import origins
from executor.tool import Tool, Toolset

if TYPE_CHECKING:
    from executor.running import Observer, Running


@dataclass(frozen=True, slots=True)
class Means:
    """What one run makes its calls with."""

    tools: Toolset
    limits: Limits
    clock: Callable[[], float]
    cache: ResultCache | None
    approvals: Approvals
    log: RunLog | None
    account: Account | None
    ask_when_tainted: bool


class ObserverRaised(BaseException):
    """Carries an observer's exception past the handlers that are meant for tools."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Steps:
    """The way of one run's tasks to their values."""

    def __init__(self, means: Means, run: Running) -> None:
        self.means = means
        self.run = run
        self.log = means.log
        self.recall = Recall(means.log, means.tools) if means.log is not None and means.log.past.tasks else None
        self.elements = Elements(run)
        self.priorities: Priorities | None = None
        if means.limits.any:
            self.priorities = Priorities({} if means.log is None else means.log.journal.durations())
        self.mail = None if means.log is None else Mailbox(means.log)
        self.waiting: dict[str, Approval] = {}
        if means.log is not None:
            means.log.note_tools({tool.name: tool.version for tool in means.tools.values()})

    def direct(self) -> dict[str, Callable[..., Any]]:
        """The functions of tools whose calls need nothing of what is done here."""
        means = self.means
        if means.limits.any_overall or means.account is not None or self.recall is not None:
            return {}
        return {
            tool.name: tool.function
            for tool in means.tools.values()
            if tool.is_plain
            and not (tool.effect == "once" and (means.log is not None or means.ask_when_tainted))
            and not (tool.effect == "pure" and means.cache is not None)
        }

    def recorded(self, observe: Observer | None) -> Observer:
        """An observer that writes events down before it hands them to `observe`."""
        log, recall = self.log, self.recall
        if log is None:
            return _ignore if observe is None else observe
        write = log.write if recall is None else recall.write
        if self.priorities is not None:
            write = self.priorities.seeing(write)
        if observe is None:
            return write

        def both(event: TaskEvent) -> None:
            write(event)
            observe(event)

        return both

    def weigh(self, tasks: Iterable[Task]) -> None:
        """Computes the priorities of a plan that is known as a whole."""
        if self.priorities is not None:
            self.priorities.add_all(tasks)

    async def perform(self, task: Task) -> tuple[float, object] | None:
        """Gives a task its value, and the time its call began; None where the task has been ended otherwise."""
        if self.recall is not None and (found := self.recall.outcome(task)) is not None:
            if isinstance(found, ToolFailed):
                raise found
            self.run.take(task, found)
            return None
        if task.when is not None and not self._wanted(task):
            self.run.leave_out(task)
            return None
        if task.foreach is not None:
            return await self.elements.run(task)
        tool = self._adapted(task)
        arguments = self.run.arguments(task) if task.dynamic else task.args
        verdict = await self._permission(task, tool, arguments)
        if verdict is not None and verdict.answer == "value":
            now = self.means.clock()
            self.observe(TaskStarted(now, task.id))
            return now, verdict.value
        cache = self.means.cache
        if cache is None or tool.effect != "pure" or tool.cache is False:
            return await self._call(task, tool, arguments)
        began = self.means.clock()

        async def make() -> object:
            nonlocal began
            began, value = await self._call(task, tool, arguments)
            return value

        value, source = await cache.get(tool, arguments, make)
        if source is not None:
            began = self.means.clock()
            self.observe(TaskStarted(began, task.id))
            self.observe(TaskCached(began, task.id, source))
        return began, value

    def element_ended(self, name: str) -> None:
        """A special task has ended: it may be an element of another one."""
        self.elements.ended(name)

    def used(self, task: Task) -> set[str]:
        """Ids whose results the task uses, rather than only comes after."""
        found = {ref.task for value in task.args.values() for ref, _ in references(value)}
        if task.foreach is not None:
            found |= {ref.task for ref, _ in references(task.foreach.items)}
        if task.when is not None:
            found |= {ref.task for ref, _ in condition_references(task.when)}
        return found

    def observe(self, event: TaskEvent) -> None:
        """Hands on an event from inside a call, where every exception would be taken for the tool's."""
        try:
            self.run.observe(event)
        except Exception as error:
            raise ObserverRaised(error) from error

    @contextmanager
    def listening(self) -> Generator[None]:
        """Hears letters that reach this run while it works."""
        log, mail = self.log, self.mail
        assert log is not None and mail is not None
        if mail.cancelled():
            raise RunCancelled(f"run {log.id} was cancelled")
        stop = log.journal.listen(self._letters_came)
        try:
            yield
        finally:
            stop()

    def park(self) -> None:
        """Ends the run, unless it is to wait for those it asked."""
        if not self.means.approvals.wait and self.waiting:
            self.run.stop(Parked("" if self.log is None else self.log.id, list(self.waiting.values())))

    def learn(self) -> None:
        """Adds what this run's calls took to what the journal knows about its tools."""
        log = self.log
        took: dict[str, tuple[int, float]] = {}
        for name, outcome in self.run.outcomes.items():
            if isinstance(outcome, Finished) and (self.recall is None or name not in self.recall.known):
                tool = self.run.schedule.tasks[name].call
                calls, seconds = took.get(tool, (0, 0.0))
                took[tool] = calls + 1, seconds + outcome.ended - outcome.started
        if log is not None and took:
            log.learn(took)

    def _letters_came(self) -> None:
        log, mail = self.log, self.mail
        assert log is not None and mail is not None
        if mail.cancelled():
            self.run.stop(RunCancelled(f"run {log.id} was cancelled"))
        for approval in [*self.waiting.values()]:
            if (verdict := mail.answer_for(approval)) is not None:
                self.means.approvals.answer(approval.task, verdict, run=log.id)

    def _wanted(self, task: Task) -> bool:
        assert task.when is not None
        try:
            return holds(task.when, self.run.values)
        except (LookupError, TypeError) as error:
            raise ConditionError(f"task {task.id}: {error}", task=task.id) from error

    def _adapted(self, task: Task) -> Tool:
        tool = self.means.tools.find(task.call, task=task.id)
        options = task.options
        if options is None:
            return tool
        if options.retry is not None and tool.effect == "once":
            problem = "it runs once and takes no retry; say that it is idempotent if repeating it is safe"
            raise ArgumentMismatch(tool.name, [problem], task=task.id)
        return replace(
            tool,
            timeout=tool.timeout if options.timeout is None else options.timeout,
            retry=options.retry or tool.retry,
            cache=tool.cache if options.cache is not False else False,
            approve=tool.approve if options.approve is None else options.approve,
            tainted="allow" if options.tainted is False else tool.tainted,
        )

    async def _call(self, task: Task, tool: Tool, arguments: Mapping[str, object]) -> tuple[float, object]:
        means, log, account = self.means, self.log, self.means.account
        circuit = means.limits.circuit(tool)
        priority = 0.0 if self.priorities is None else self.priorities.of(task.id)
        async with means.limits.place(tool, priority):
            if circuit is not None:
                circuit.enter(task.id)
            ok: bool | None = None
            try:
                once = log is not None and tool.effect == "once"
                key = self._key(task, arguments) if once or tool.context is not None else ""

                def on_attempt(attempt: int) -> None:
                    if account is not None:
                        _reserve(account, tool, task)

                def on_retry(attempt: int, wait: float, error: Exception) -> None:
                    self.observe(TaskRetried(means.clock(), task.id, attempt, wait, str(error)))

                on_attempt(1)
                if log is not None and once:
                    log.note("Intent", {"key": key, "args": described(tool.name, arguments)[1]}, task=task.id)
                    await log.durable()
                began = means.clock()
                self.observe(TaskStarted(began, task.id))
                value = await call(
                    tool,
                    task.id,
                    arguments,
                    on_retry,
                    key=key,
                    on_attempt=on_attempt,
                    seconds=None if account is None else account.seconds_left,
                )
                ok = True
                return began, value
            except ToolTimeout as error:
                ok = False
                if account is not None and account.seconds_left == 0:
                    _reserve(account, tool, task)
                raise error
            except NotAllowed:
                raise
            except Exception:
                ok = False
                raise
            finally:
                if circuit is not None:
                    circuit.leave(ok)

    def _key(self, task: Task, arguments: Mapping[str, object]) -> str:
        # Without a journal: something no other run has.
        run = self.elements.unique if self.log is None else self.log.id
        return hashlib.sha256(f"{run}/{task.id}/{described(task.call, arguments)[1]}".encode()).hexdigest()[:32]

    async def _permission(self, task: Task, tool: Tool, arguments: Mapping[str, object]) -> Verdict | None:
        reason = self._reason_to_ask(task, tool)
        if reason is None:
            return None
        why, question, chains = reason
        shown, digest = described(tool.name, arguments)
        log, mail = self.log, self.mail
        verdict = None if mail is None else mail.recorded(task.id, digest)
        if verdict is None:
            run = "" if log is None else log.id
            clean = log.clean if log is not None else str
            approval = Approval(run, task.id, tool.name, why, clean(question), clean(shown), chains, digest)
            verdict = await self._ask(approval)
            self.observe(
                ApprovalGiven(self.means.clock(), task.id, verdict.answer, verdict.note, verdict.value, digest)
            )
            if log is not None and mail is not None:
                await log.durable()
                mail.take(task.id)
        if verdict.answer == "no":
            said = f": {verdict.note}" if verdict.note else ""
            raise NotAllowed(f"task {task.id}: {tool.name} was not allowed{said}", task=task.id)
        return verdict

    def _reason_to_ask(self, task: Task, tool: Tool) -> tuple[Why, str, tuple[str, ...]] | None:
        if tool.effect == "once" and self.recall is not None and (doubt := self.recall.doubt(task)):
            question = f"{doubt} Did it happen? yes: make the call (again); value: it happened; no: give up"
            return "unknown", question, ()
        chains: tuple[str, ...] = ()
        if tool.effect == "once":
            parent = self.elements.parent_of(task)
            earlier = [name for name, outcome in self.run.prior.items() if isinstance(outcome, Finished)]
            found = origins(parent, self.run.schedule.tasks, self.means.tools, earlier)
            chains = tuple(" > ".join(chain) for chain in found)
        if tool.approve is not False:
            return "approve", tool.approve if isinstance(tool.approve, str) else f"May {tool.name} run?", chains
        if chains and self.means.ask_when_tainted and tool.tainted == "ask":
            question = f"{tool.name} runs once, and its arguments rest on what tools returned. May it run?"
            return "tainted", question, chains
        return None

    async def _ask(self, approval: Approval) -> Verdict:
        approvals, mail = self.means.approvals, self.mail
        if mail is not None and (verdict := mail.answer_for(approval)) is not None:
            return verdict
        if mail is None and approvals.ask is None and not approvals.wait:
            why = "needs a yes, and there is nobody to ask and no journal to wait in"
            raise NotAllowed(f"task {approval.task}: {approval.tool} {why}", task=approval.task)
        with approvals.expecting(approval) as answer:
            if mail is None or not mail.asked_before(approval):
                self.observe(
                    ApprovalAsked(
                        self.means.clock(),
                        approval.task,
                        approval.why,
                        approval.question,
                        approval.tool,
                        approval.arguments,
                        approval.origins,
                        approval.digest,
                    )
                )
            if approvals.ask is not None and (verdict := await approvals.ask(approval)) is not None:
                return verdict
            self.waiting[approval.task] = approval
            self.run.passive += 1
            try:
                if not answer.done():
                    self.run.park_if_stuck()
                return await answer
            finally:
                self.run.passive -= 1
                del self.waiting[approval.task]


def _reserve(account: Account, tool: Tool, task: Task) -> None:
    try:
        account.reserve_call(tool.name)
    except BudgetSpent as error:
        raise NotAllowed(f"task {task.id}: {error}", task=task.id) from error


def _ignore(_: TaskEvent) -> None:
    pass
