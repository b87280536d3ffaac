"""Warm paths: what is read ahead, when, and by whom not."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from langchain_core.messages import HumanMessage, SystemMessage

import agentrt.warming as warming_module
from agentrt import Runtime, tool
from agentrt.policies import Setting
from agentrt.serving import ChatVLLM
from agentrt.serving.priming import prime
from agentrt.warming import warm_planner, warming_joiner
from executor import Finished, Plan, Task, TaskAdded, TaskFailed, TaskFinished, TaskStarted, Toolset
from planner import Joiner, PlanFinished, PlanStarted, Round, Usage
from planner.testing import ScriptedChatModel

_DECISION = json.dumps({"thought": "t", "action": "finish", "tasks": ["1"], "answer": "yes", "reason": ""})


async def _look(what: str) -> str:
    """Looks something up."""
    return what


look = tool(effect="pure", name="look")(_look)


def setting(**changed: Any) -> Setting:
    usual: dict[str, Any] = {
        "model": ScriptedChatModel(replies=[_DECISION]),
        "tools": Toolset([look]),
        "form": "grammar",
        "passes": (),
        "max_replans": 2,
        "max_tasks": 8,
        "max_plan_tokens": 100,
        "concurrency": None,
        "observe": lambda _: None,
    }
    return Setting(**{**usual, **changed})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Last messages and options of the requests that read ahead, as if every server kept prefixes."""
    found: list[tuple[str, dict[str, Any]]] = []

    async def primed(model: object, messages: list[Any], **options: Any) -> bool:
        found.append((str(messages[-1].content), options))
        return True

    monkeypatch.setattr(warming_module, "prime", primed)
    monkeypatch.setattr(warming_module, "keeps_prefixes", lambda _model: True)
    monkeypatch.setattr(warming_module, "_AT_ONCE", 0.0)
    return found


@pytest.mark.asyncio
async def test_a_plans_prompt_is_read_up_to_the_question_and_its_grammar_compiled(
    sent: list[tuple[str, dict[str, Any]]],
) -> None:
    usual = setting()
    assert await warm_planner(usual)
    ((text, options),) = sent
    real, _ = usual.planner().request("Which is older?")
    assert str(real[-1].content).startswith(text.rstrip())
    assert options["structured_outputs"]["grammar"] == usual.planner().request("?")[1]["structured_outputs"]["grammar"]


@pytest.mark.asyncio
async def test_with_a_choice_of_tools_for_each_question_nothing_is_read_ahead(
    sent: list[tuple[str, dict[str, Any]]],
) -> None:
    many = [tool(effect="pure", name=f"look{number}")(_look) for number in range(30)]
    assert not await warm_planner(setting(tools=Toolset(many)))
    assert not sent


@pytest.mark.asyncio
async def test_the_joiners_prompt_is_read_while_the_last_call_runs(sent: list[tuple[str, dict[str, Any]]]) -> None:
    seen: list[object] = []
    first, second = Task("1", "look", {"what": "a"}), Task("2", "look", {"what": "b"})
    usual = setting(observe=seen.append)
    async with anyio.create_task_group() as group:
        watch = warming_joiner(usual, "Q", group).observe
        for event in (PlanStarted(0, 0, 0), TaskAdded(0, first), TaskAdded(0, second), TaskStarted(0, "1")):
            watch(event)
        watch(TaskFinished(0, "1", "found a"))
        await anyio.wait_all_tasks_blocked()
        # There may be further lines.
        assert not sent
        watch(PlanFinished(0, 2, Usage(), 0))
        await anyio.wait_all_tasks_blocked()
        ((text, options),) = sent
        watch(TaskFinished(0, "2", "found b"))
    assert len(seen) == 7 and not options
    joiner = Joiner(usual.model, usual.tools, reason_first=True)
    ends = {task.id: Finished(f"found {task.args['what']}", 0, 0) for task in (first, second)}
    real = str(joiner.opening("Q", [Round(Plan([first, second]), ends)])[-1].content)
    known = text.removesuffix("NOT RUN")
    assert known.endswith("-> ") and real.startswith(known) and "found a" in known


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [TaskFinished(0, "2", "b"), TaskAdded(0, Task("3", "look", {"what": "c"}))])
async def test_a_call_that_ends_at_once_costs_no_request(
    sent: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, last: TaskFinished | TaskAdded
) -> None:
    monkeypatch.setattr(warming_module, "_AT_ONCE", 3600.0)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            watch = warming_joiner(setting(), "Q", group).observe
            watch(PlanStarted(0, 0, 0))
            for name in "12":
                watch(TaskAdded(0, Task(name, "look", {"what": name})))
            watch(PlanFinished(0, 2, Usage(), 0))
            watch(TaskFailed(0, "1", "no"))
            watch(last)
    assert not sent


@pytest.mark.asyncio
async def test_a_model_that_is_not_served_here_is_asked_nothing_more() -> None:
    model = ScriptedChatModel(replies=['1. look("a")\n2. join()\n<END_OF_PLAN>', _DECISION])
    assert not await prime(model, [])
    async with Runtime(model, [look]) as rt:
        assert (await rt.ask("Q")).usage.model_calls == 2
    usual = setting(model=model)
    async with anyio.create_task_group() as group:
        assert warming_joiner(usual, "Q", group) is usual


@pytest.mark.vllm
@pytest.mark.asyncio
async def test_what_was_read_ahead_is_found_in_the_prefix_cache(smollm: ChatVLLM) -> None:
    system = SystemMessage(content="Rivers. " + "The Rhine is long. " * 60)
    assert await prime(smollm, [system, HumanMessage(content="Question:")])
    answer = await smollm.ainvoke([system, HumanMessage(content="Question: which?")], max_tokens=2)
    assert answer.usage_metadata is not None
    cached = answer.usage_metadata.get("input_token_details", {}).get("cache_read", 0)
    # All whole blocks of 128 tokens before the question.
    assert cached >= answer.usage_metadata["input_tokens"] - 160
