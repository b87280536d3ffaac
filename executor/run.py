"""The executor: starts every task the moment it can, also while the plan is still being written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping

from executor.approval import Approvals
from executor.budget import Account
from executor.cache import ResultCache
from executor.journal import RunLog
from executor.limits import Limits
from executor.outcomes import Outcome
from executor.plan import Task
from executor.running import Observer, Running
from executor.steps import Means
from executor.tool import Tool, Toolset

__all__ = ["Executor", "Observer"]


class Executor:
    """Runs plans against a set of tools.

    Args:
        tools: the tools plans may call.
        observe: receives every event.
        max_tasks: limit for a plan that arrives as a stream; one whose length is known may have any.
        concurrency: calls at the same time, over all tools and all runs of this executor; None for no limit.
        cache: results of `pure` tools are looked up there; None for no cache.
        approvals: where calls that need a person's yes wait.
        ask_when_tainted: whether a `once` tool whose arguments rest on untrusted results needs a yes.
        log: where runs are written down that bring no log of their own.
        account: what runs may spend that bring no account of their own.
        clock: monotonic seconds.

    Raises:
        ValueError: two tools share a name, or a limit is less than 1.
    """

    def __init__(
        self,
        tools: Iterable[Tool] | Toolset,
        *,
        observe: Observer | None = None,
        max_tasks: int = 1_000,
        concurrency: int | None = None,
        cache: ResultCache | None = None,
        approvals: Approvals | None = None,
        ask_when_tainted: bool = False,
        log: RunLog | None = None,
        account: Account | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tools = tools if isinstance(tools, Toolset) else Toolset(tools)
        self.max_tasks = max_tasks
        self.approvals = approvals or Approvals()
        self._limits = Limits(self.tools.values(), concurrency, clock=clock)
        self._cache = cache
        self._ask_when_tainted = ask_when_tainted
        self._log = log
        self._account = account
        self._observe = observe
        self._clock = clock

    async def run(
        self,
        tasks: Iterable[Task] | AsyncIterable[Task],
        *,
        prior: Mapping[str, Outcome] | None = None,
        log: RunLog | None = None,
        account: Account | None = None,
    ) -> dict[str, Outcome]:
        """Runs a plan, or a stream of tasks as it is being written.

        With a `log` everything that happens is written down, and what the log's run has done before is not done
        again: run the same tasks with a resumed log and they go on where they stopped.

        Args:
            tasks: in any order; a task waits for what it needs.
            prior: outcomes of an earlier plan of the same question, which `tasks` may refer to.
            log: where the run is written down.
            account: what the run may spend.

        Returns:
            How each of `tasks` ended, by id, in the order they ended. A failing tool is an outcome.

        Raises:
            PlanError: the plan cannot be run as written; running calls have been cancelled.
            Parked: calls wait for a person, and nothing else is left to do.
            JournalError: the log could not be written, or the run in it cannot go on with these tools.
            Exception: whatever the stream of tasks or the observer raised, likewise.
        """
        log = log or self._log
        means = Means(
            self.tools,
            self._limits,
            self._clock,
            self._cache,
            self.approvals,
            log,
            account or self._account,
            self._ask_when_tainted,
        )
        running = Running(means, self._observe, prior or {})
        if log is None:
            return await running.complete(tasks, self.max_tasks)
        with running.steps.listening():
            try:
                return await running.complete(tasks, self.max_tasks)
            finally:
                running.steps.learn()
                log.settle()
