"""How two servers are held beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from agentrt.serving.tuning import tune
from agentrt.serving.tuning.questions import CHATS, DECISIONS, PLANS
from agentrt.serving.tuning.timing import Measured, sum_of
from agentrt.serving.tuning.workload import PLAN


@pytest.mark.asyncio
@pytest.mark.parametrize(("asked", "made"), [(1, 2), (2, 2), (3, 4)])
async def test_each_of_two_servers_goes_first_equally_often(
    monkeypatch: pytest.MonkeyPatch, asked: int, made: int
) -> None:
    order: list[Any] = []
    asked_of: dict[Any, list[int]] = {}

    async def timed(model: Any, _workload: object, numbers: range, _streams: int, into: Measured) -> None:
        order.append(model)
        asked_of.setdefault(model, []).extend(numbers)
        into.seconds.append(2.0 if model == "off" else 1.0)

    async def warmed(*_: object) -> None:
        pass

    monkeypatch.setattr(tune, "at_once", timed)
    monkeypatch.setattr(tune, "one_by_one", warmed)
    two: Any = ("off", "drafted")
    pairs = await tune.together(*two, PLAN, asked)
    assert len(pairs) == made
    assert order[::2].count("off") == order[::2].count("drafted") == made / 2
    # No question twice, and the same ones for both.
    assert asked_of["off"] == asked_of["drafted"] and len({*asked_of["off"]}) == made * 16
    # Whichever went first, the pair is told in the same order.
    assert all((plain.seconds, drafted.seconds) == ([2.0], [1.0]) for plain, drafted in pairs)


def test_no_two_timed_questions_are_alike() -> None:
    for questions in (PLANS, DECISIONS, CHATS):
        assert len({*questions}) == len(questions) >= 48


def test_rounds_add_up() -> None:
    whole = sum_of([Measured(seconds=[1.0], tokens=10), Measured(seconds=[3.0], tokens=30, texts=["a"])])
    assert (whole.rate, whole.median, whole.texts) == (10.0, 2.0, ["a"])
