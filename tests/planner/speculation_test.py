"""Calls that begin before their line is complete: used when they were right, gone when they were not."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from executor import Executor, Parameter, Signature, TaskFinished, TaskStarted, Tool, Toolset
from planner import CompilerPolicy, Joiner, LLMPlanner, PlanningFailed
from planner.events import CallSpeculated
from planner.passes.speculate import Speculation
from planner.testing import ScriptedChatModel

FINISH = '{"answer": "yes", "tasks": [], "action": "finish"}'


class Setup:
    def __init__(self, *reply: Any, speculative: bool = True, effect: Any = "pure") -> None:
        self.model = ScriptedChatModel(replies=[list(reply), FINISH])
        self.events: list[Any] = []
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.started = anyio.Event()

        async def search(title: str, year: int = 0) -> str:
            self.begun.append(f"{title} {year}")
            self.started.set()
            try:
                if title == "hangs":
                    await anyio.sleep_forever()
                if title == "fails":
                    raise OSError("no route")
                await anyio.lowlevel.checkpoint()
            finally:
                self.ended.append(f"{title} {year}")
            return f"about {title}"

        signature = Signature([Parameter("title", {"type": "string"}), Parameter("year", {"type": "integer"}, False)])
        tool = Tool(name="search", function=search, signature=signature, effect=effect, speculative=speculative)
        tools = Toolset([tool])
        observe = self.events.append
        speculation = Speculation(tools, observe=observe)
        self.policy = CompilerPolicy(
            LLMPlanner(self.model, tools, speculation=speculation, corrections=0),
            Executor(speculation.tools, observe=observe),
            Joiner(self.model, tools),
            speculation=speculation,
        )

    async def answer(self) -> Any:
        with anyio.fail_after(10):
            return await self.policy.answer("?")

    @property
    def stages(self) -> list[str]:
        return [event.stage for event in self.events if isinstance(event, CallSpeculated)]


@pytest.mark.asyncio
async def test_a_call_begins_before_its_line_ends_and_is_made_once() -> None:
    setup = Setup()
    setup.model.replies[0] = ['1. search("Heat"', setup.started, ")\n2. join()"]
    conclusion = await setup.answer()
    assert setup.begun == ["Heat 0"], "the reply went on only after the call had begun"
    assert setup.stages == ["begun", "used"]
    assert conclusion.outcomes["1"].value == "about Heat"
    assert sum(isinstance(event, TaskStarted | TaskFinished) for event in setup.events) == 2


@pytest.mark.asyncio
async def test_a_wrong_guess_is_cancelled_and_never_used() -> None:
    setup = Setup()
    setup.model.replies[0] = ['1. search("hangs"', setup.started, ", year=1", "995)\n2. join()"]
    with anyio.move_on_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(setup.policy.answer, "?")
            while "hangs 1995" not in setup.begun:
                await anyio.lowlevel.checkpoint()
            assert setup.ended == ["hangs 0"]
            group.cancel_scope.cancel()
    assert setup.stages == ["begun", "dropped"]
    assert setup.ended == ["hangs 0", "hangs 1995"], "and nothing is left running"


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [{"speculative": False}, {"effect": "once"}])
async def test_only_pure_tools_that_allow_it(options: dict[str, Any]) -> None:
    setup = Setup('1. search("Heat"', ")\n2. join()", **options)
    await setup.answer()
    assert setup.stages == []


@pytest.mark.asyncio
async def test_a_guess_that_failed_fails_the_call() -> None:
    setup = Setup('1. search("fails"', ")\n2. join()")
    conclusion = await setup.answer()
    assert setup.begun == ["fails 0"]
    assert "no route" in str(conclusion.outcomes["1"].error)


@pytest.mark.asyncio
async def test_a_plan_that_breaks_off_leaves_no_guess() -> None:
    setup = Setup()
    setup.model.replies[0] = ['1. search("hangs"', setup.started, "]\n2. join()"]
    with pytest.raises(PlanningFailed):
        await setup.answer()
    assert setup.ended == ["hangs 0"]


@pytest.mark.asyncio
async def test_half_a_text_or_number_is_no_guess() -> None:
    setup = Setup('1. search("Hea', 't", ', "19", "95", ")\n2. join()")
    await setup.answer()
    assert setup.begun == ["Heat 1995"]
