"""Accounts inside accounts: no sequence of reservations passes a limit of either, and a refusal takes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Account, Budget, BudgetSpent, Spent

LIMIT = st.none() | st.integers(0, 60)
STEP = st.one_of(
    st.just(("call",)), st.just(("replan",)), st.tuples(st.just("tokens"), st.integers(0, 30), st.integers(0, 30))
)


@given(*[LIMIT] * 6, st.lists(STEP, max_size=40))
def test_what_is_spent_inside_is_spent_outside_and_neither_limit_is_passed(
    calls: int | None,
    tokens: int | None,
    replans: int | None,
    own_calls: int | None,
    own_tokens: int | None,
    own_replans: int | None,
    steps: list[tuple[str, int, int]],
) -> None:
    outer = Account(Budget(calls=calls, tokens=tokens, replans=replans), clock=lambda: 0.0)
    own = Budget(calls=own_calls, tokens=own_tokens, replans=own_replans)
    inner = Account(own, within=outer, clock=lambda: 0.0)
    for kind, *amount in steps:
        before = inner.spent, outer.spent
        try:
            match kind:
                case "call":
                    inner.reserve_call("tool")
                case "replan":
                    inner.reserve_replan()
                case _:
                    wanted, used = amount
                    inner.reserve_tokens(wanted, 0).settle(min(wanted, used), 0)
        except BudgetSpent as error:
            assert (inner.spent, outer.spent) == before, "a refusal takes nothing"
            assert inner.refused is not None and inner.note.endswith(f"{inner.refused} is spent")
            assert error.limit in ("calls", "tokens", "replans")
        assert inner.spent == outer.spent
        for account in (inner, outer):
            for name in ("calls", "tokens", "replans"):
                limit = getattr(account.budget, name)
                assert limit is None or getattr(account.spent, name) <= limit
    left = [limit - inner.spent.tokens for limit in (tokens, own_tokens) if limit is not None]
    assert inner.tokens_left == min(left, default=None)


def test_time_is_the_least_of_both() -> None:
    now = 10.0
    outer = Account(Budget(seconds=5), clock=lambda: now)
    inner = Account(Budget(seconds=9), Spent(seconds=2), within=outer, clock=lambda: now)
    assert inner.seconds_left == 5
    now = 14.0
    assert (inner.seconds_left, outer.seconds_left) == (1, 1)
    now = 16.0
    assert inner.seconds_left == 0
    with pytest.raises(BudgetSpent, match="the budget of 5 seconds is spent"):
        inner.reserve_call("tool")
    assert (inner.spent.calls, outer.refused, inner.refused) == (0, "seconds", "seconds")
