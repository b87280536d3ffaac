"""What one question's calls are made with: its log, its budget, the cache, and those who are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from executor import Account, BudgetSpent, Executor, TaskEvent, Toolset
from executor.approval import Approvals
from executor.cache import ResultCache
from executor.journal import RunLog
from planner import Finish, Joiner, Round, Usage
from planner.joiner import Decision
from planner.rounds import ending, ids_with_value

# What the last answer may take besides its prompt. Tokens.
_ANSWER = 1_024
_LONGEST_RESULT = 500


@dataclass(frozen=True, slots=True)
class RunMeans:
    """What the calls of one run are made with.

    Attributes:
        log: where it is written down.
        account: what it may spend.
        cache: of `pure` results.
        approvals: where calls wait for a person.
        ask_when_tainted: see `Executor`.
        recorded: stands where an executor does, in a replay.
        go_on: decides about further plans, in a replay.
    """

    log: RunLog | None = None
    account: Account | None = None
    cache: ResultCache | None = None
    approvals: Approvals | None = None
    ask_when_tainted: bool = False
    recorded: Executor | None = None
    go_on: Callable[[], bool] | None = None

    def executor(
        self,
        tools: Toolset,
        *,
        observe: Callable[[TaskEvent], None] | None,
        max_tasks: int,
        concurrency: int | None,
    ) -> Executor:
        """An executor with these means."""
        if self.recorded is not None:
            return self.recorded
        return Executor(
            tools,
            observe=observe,
            max_tasks=max_tasks,
            concurrency=concurrency,
            cache=self.cache,
            approvals=self.approvals,
            ask_when_tainted=self.ask_when_tainted,
            log=self.log,
            account=self.account,
        )

    def may_go_on(self, plan_tokens: int) -> Callable[[], bool] | None:
        """What decides whether there is budget for another plan of so many tokens, and takes it."""
        account = self.account
        if self.go_on is not None or account is None:
            return self.go_on

        def decide() -> bool:
            if account.refused is not None or account.seconds_left == 0:
                return False
            left = account.tokens_left
            if left is not None and left < plan_tokens + 2 * _ANSWER:
                return False
            try:
                account.reserve_replan()
            except BudgetSpent:
                return False
            return True

        return decide


class ThriftyJoiner(Joiner):
    """A joiner that still says what there is when the budget has no room for a model's answer."""

    async def join(self, question: str, rounds: Sequence[Round], *, final: bool = False) -> tuple[Decision, Usage]:
        """As `Joiner.join`; without budget the results themselves are the answer."""
        try:
            return await super().join(question, rounds, final=final)
        except BudgetSpent as error:
            found = ids_with_value(rounds)
            ends = {name: end for done in rounds for name, end in done.outcomes.items()}
            said = [f"{name}: {ending(ends[name], _LONGEST_RESULT)}" for name in found] or ["nothing was found"]
            text = f"There was no budget left to read the results ({error}). They are:\n" + "\n".join(said)
            return Finish(text, (*found,)), Usage()
