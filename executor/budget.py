"""What a run may spend: calls, model tokens, seconds, replans, money.

Everything is reserved before it is spent, so that many calls side by side cannot pass a limit together; what was
reserved and not used is given back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from executor.errors import ExecutorError

_Number = TypeVar("_Number", int, float)


class BudgetSpent(ExecutorError):
    """A limit of the budget leaves no room for what was about to be done. `limit` is the field's name."""

    def __init__(self, limit: str, allowed: float, *, wanted: str = "") -> None:
        self.limit = limit
        what = f"; {wanted}" if wanted else ""
        super().__init__(f"the budget of {allowed:g} {limit} is spent{what}")


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in any one currency.

    Attributes:
        input: a million prompt tokens.
        output: a million generated tokens.
        calls: one call, by tool; 0 for those not named.
    """

    input: float = 0.0
    output: float = 0.0
    calls: Mapping[str, float] = field(default_factory=dict[str, float])

    def of_tokens(self, input_tokens: int, output_tokens: int) -> float:
        """What a model request costs."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run; None for no limit.

    Attributes:
        calls: tool calls, retries included; those answered from the cache or the journal cost nothing.
        tokens: model tokens, of prompts and of what was generated.
        seconds: wall time, over all the processes that worked on the run.
        replans: further plans after the first.
        cost: money, for which `prices` says what things cost.
        prices: needed with `cost`.

    Raises:
        ValueError: a negative limit, or `cost` without `prices`.
    """

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    replans: int | None = None
    cost: float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "seconds", "replans", "cost"):
            if (limit := getattr(self, name)) is not None and not limit >= 0:
                raise ValueError(f"budget: {name} must be at least 0, not {limit}")
        if self.cost is not None and self.prices is None:
            raise ValueError("budget: a cost needs prices, or nothing would ever be counted")

    def to_json(self) -> dict[str, object]:
        """As plain JSON data; limits that are None are left out."""
        data: dict[str, object] = {
            name: limit
            for name in ("calls", "tokens", "seconds", "replans", "cost")
            if (limit := getattr(self, name)) is not None
        }
        if self.prices is not None:
            prices = self.prices
            data["prices"] = {"input": prices.input, "output": prices.output, "calls": dict(prices.calls)}
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Budget:
        """The inverse of `to_json`. Raises ValueError for a field that is not known or means nothing."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"budget has no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
        given = dict(data)
        if (prices := given.get("prices")) is not None:
            given["prices"] = Prices(**prices)
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has spent."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    replans: int = 0
    cost: float = 0.0


class Account:
    """Keeps one run within its budget.

    Args:
        budget: the limits.
        spent: by processes that worked on the run before.
        within: the account of the run that this one is a part of: whatever is spent here is spent there too.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        spent: Spent | None = None,
        *,
        within: Account | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        before = spent or Spent()
        self.budget = budget or Budget()
        self._refused: str | None = None
        self._within = within
        self._clock = clock
        self._began = clock() - before.seconds
        self._calls = before.calls
        self._tokens = before.tokens
        self._replans = before.replans
        self._cost = before.cost

    @property
    def spent(self) -> Spent:
        """So far, with what is reserved."""
        return Spent(self._calls, self._tokens, self._clock() - self._began, self._replans, self._cost)

    @property
    def refused(self) -> str | None:
        """The first limit that refused something, if any has."""
        return self._refused or (None if self._within is None else self._within.refused)

    @property
    def note(self) -> str:
        """Which limit is spent, as a sentence; empty while none has refused anything."""
        limit = self._refused
        if limit is None:
            return "" if self._within is None else self._within.note
        return f"the budget of {getattr(self.budget, limit):g} {limit} is spent"

    @property
    def seconds_left(self) -> float | None:
        """Until the time is spent, at least 0; None without such a limit."""
        limit = self.budget.seconds
        own = None if limit is None else max(0.0, limit - (self._clock() - self._began))
        return _least(own, None if self._within is None else self._within.seconds_left)

    @property
    def tokens_left(self) -> int | None:
        """Tokens that nobody has reserved; None without such a limit."""
        own = None if self.budget.tokens is None else max(0, self.budget.tokens - self._tokens)
        return _least(own, None if self._within is None else self._within.tokens_left)

    def reserve_call(self, tool: str) -> None:
        """Takes one call of `tool`. Raises BudgetSpent, and takes nothing then."""
        budget = self.budget
        price = 0.0 if budget.prices is None else budget.prices.calls.get(tool, 0.0)
        self._check_time(f"{tool} was not called")
        if budget.calls is not None and self._calls + 1 > budget.calls:
            self._refuse("calls", budget.calls, f"{tool} was not called")
        self._check_cost(price, f"{tool} was not called")
        if self._within is not None:
            self._within.reserve_call(tool)
        self._calls += 1
        self._cost += price

    def reserve_tokens(self, input_tokens: int, output_tokens: int, *, late: bool = False) -> Reservation:
        """Takes tokens for a model request that will use at most so many. Raises BudgetSpent, taking nothing.

        If `late`, the request is made although the time is spent: the last one, which answers from what there is.
        """
        budget = self.budget
        wanted = "the model was not asked"
        if not late:
            self._check_time(wanted)
        tokens = input_tokens + output_tokens
        if budget.tokens is not None and self._tokens + tokens > budget.tokens:
            self._refuse("tokens", budget.tokens, f"{wanted}, as that may have taken {tokens:,} more")
        price = 0.0 if budget.prices is None else budget.prices.of_tokens(input_tokens, output_tokens)
        self._check_cost(price, wanted)
        outer = None
        if self._within is not None:
            outer = self._within.reserve_tokens(input_tokens, output_tokens, late=late)
        self._tokens += tokens
        self._cost += price
        return Reservation(self, tokens, price, outer)

    def reserve_replan(self) -> None:
        """Takes one replan. Raises BudgetSpent, and takes nothing then."""
        limit = self.budget.replans
        self._check_time("no further plan was made")
        if limit is not None and self._replans + 1 > limit:
            self._refuse("replans", limit, "no further plan was made")
        if self._within is not None:
            self._within.reserve_replan()
        self._replans += 1

    def _settle(self, tokens: int, price: float) -> None:
        self._tokens += tokens
        self._cost += price

    def _check_time(self, wanted: str) -> None:
        if self.budget.seconds is not None and self._clock() - self._began >= self.budget.seconds:
            self._refuse("seconds", self.budget.seconds, wanted)

    def _check_cost(self, price: float, wanted: str) -> None:
        limit = self.budget.cost
        # Sums of floats may pass a limit by rounding alone.
        if limit is not None and self._cost + price > limit * (1 + 1e-12):
            self._refuse("cost", limit, wanted)

    def _refuse(self, limit: str, allowed: float, wanted: str) -> None:
        if self._refused is None:
            self._refused = limit
        raise BudgetSpent(limit, allowed, wanted=wanted)


class Reservation:
    """Tokens taken for one model request, until `settle` says how many it used."""

    __slots__ = ("_account", "_outer", "_price", "_tokens")

    def __init__(self, account: Account, tokens: int, price: float, outer: Reservation | None = None) -> None:
        self._account = account
        self._outer = outer
        self._tokens = tokens
        self._price = price

    def settle(self, input_tokens: int, output_tokens: int) -> None:
        """Says what was used in the end; the rest is given back."""
        prices = self._account.budget.prices
        price = 0.0 if prices is None else prices.of_tokens(input_tokens, output_tokens)
        self._account._settle(input_tokens + output_tokens - self._tokens, price - self._price)  # pyright: ignore[reportPrivateUsage]  # one subject, two classes
        self._tokens = input_tokens + output_tokens
        self._price = price
        if self._outer is not None:
            self._outer.settle(input_tokens, output_tokens)


def _least(one: _Number | None, other: _Number | None) -> _Number | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
