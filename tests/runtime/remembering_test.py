"""Plans that went well are shown to the same model for questions like theirs; and only those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentrt import Runtime, tool
from executor.journal import MemoryJournal
from planner.example_store import ExampleStore
from planner.examples import Example
from planner.testing import ScriptedChatModel

PLAN = '1. search("Heat")\n2. join()'


def decision(answer: str = "yes", tasks: tuple[str, ...] = ("1",), action: str = "finish") -> str:
    return json.dumps({"thought": "", "answer": answer, "tasks": tasks, "action": action, "reason": "more"})


@tool(effect="pure")
async def search(title: str, language: str = "en") -> str:
    """Finds a passage."""
    if title.startswith("bad"):
        raise OSError("no route")
    return f"about {title}"


def system(model: ScriptedChatModel, at: int = 0) -> str:
    return str(model.prompts[at][0].text)


@pytest.mark.asyncio
async def test_a_plan_that_went_well_is_shown_for_the_next_question(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    model = ScriptedChatModel(replies=[PLAN, decision(), PLAN, decision()])
    async with Runtime(model, [search], examples=file) as rt:
        await rt.ask("When was Heat released?")
        await rt.ask("When was Alien released?")
    assert "earlier questions" not in system(model)
    assert f"Plans for earlier questions:\n\nQuestion: When was Heat released?\n{PLAN}" in system(model, 2)
    # Of another process, but not of another model.
    later = ScriptedChatModel(replies=[PLAN, decision()])
    async with Runtime(later, [search], examples=file) as rt:
        await rt.ask("When was Aliens released?")
    assert system(later).count("Question: When was") == 2
    assert ExampleStore(file).of("another") == []
    (first, *_) = ExampleStore(file).of("ScriptedChatModel")
    assert first == Example("When was Heat released?", PLAN)


@pytest.mark.asyncio
async def test_it_is_off_unless_asked_for() -> None:
    model = ScriptedChatModel(replies=[PLAN, decision(), PLAN, decision()])
    async with Runtime(model, [search]) as rt:
        await rt.ask("When was Heat released?")
        await rt.ask("When was Heat released?")
    assert system(model) == system(model, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("replies", "why"),
    [
        (['1. search("bad")\n2. join()', decision("no", ())], "a call failed"),
        (["none", "none", '1. search("Heat")', '2. finish("$1")'], "it went step by step"),
        ([PLAN, decision("perhaps", ())], "the answer rests on nothing"),
        (
            [PLAN, decision("", (), "replan"), '2. search("Alien")\n3. join()', decision("yes", ("2",))],
            "it took two plans",
        ),
        (['1. search("sk-abcdefghijklmnop1234567890")\n2. join()', decision()], "it holds a key"),
    ],
)
async def test_what_did_not_go_well_is_not_kept(replies: list[str], why: str) -> None:
    store = ExampleStore()
    async with Runtime(ScriptedChatModel(replies=replies), [search], examples=store) as rt:
        await rt.ask("Which?")
    assert store.of("ScriptedChatModel") == [], why


@pytest.mark.asyncio
async def test_a_run_keeps_the_examples_it_was_shown() -> None:
    store, journal = ExampleStore(), MemoryJournal()
    store.add(Example("When was Alien released?", '1. search("Alien")\n2. join()'), "ScriptedChatModel")
    model = ScriptedChatModel(replies=[PLAN, decision()])
    async with Runtime(model, [search], examples=store, journal=journal) as rt:
        answer = await rt.ask("When was Heat released?")
    # Replayed where there are other examples by now, and where there are none: the prompt is the one it was.
    for examples in (store, None):
        async with Runtime(None, [search], examples=examples, journal=journal) as rt:
            assert (await rt.replay(answer.run_id)).answer.text == "yes"


@pytest.mark.asyncio
async def test_an_endpoint_with_schemas_alone_is_shown_json() -> None:
    from agentrt.policies import Setting

    setting = Setting(
        model=ScriptedChatModel(replies=[]), tools=Runtime(None, [search]).tools, form="json", passes=(), max_replans=0,
        max_tasks=9, max_plan_tokens=99, concurrency=None, observe=lambda _: None,
        examples=[["Which?", '1. search("Heat", language="de")\n2. search($1)\n3. join()']],
    )  # fmt: skip
    shown = setting.planner().system.rsplit("Question: Which?\n", 1)[1]
    assert json.loads(shown) == {
        "calls": [
            {"tool": "search", "args": {"title": "Heat", "language": "de"}},
            {"tool": "search", "args": {"title": "${1}"}},
        ]
    }
