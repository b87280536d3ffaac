"""A tiny random model learns a handful of plans: every step of `agentrt planner train` but its size."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from agentrt.errors import UsageError
from agentrt.training.tiny_planner import TinyPlanner, TinyPlannerSettings
from executor import JsonSchema, Toolset
from multiagent.training.port import ModelAt, Trainer
from planner.testing import ScriptedChatModel
from planner.training import conversations, exercises, from_rows, measure
from tests.planner.planner_tools import TEXT, a_tool
from tests.planner.training_exercises_test import returning

FILM: JsonSchema = {"type": "object", "properties": {"director": TEXT}}
PERSON: JsonSchema = {"type": "object", "properties": {"home": TEXT}}
TOOLS = Toolset(
    [
        returning(a_tool("film", title=TEXT), FILM),
        returning(a_tool("person", name=TEXT), PERSON),
        a_tool("weather", place=TEXT),
    ]
)
SETTINGS = TinyPlannerSettings(
    base="tiny", count=4, held_out=2, most_calls=2, turns=1, epochs=100, lora=None, rate=1e-2, batch=4, forms=("free",)
)


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    """So small a model is slower on two, and slow where another process wants the second."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Failing(Exception):
    """A run that is stopped in the middle."""


def a_run(folder: Path, trainer: Any = None, open_model: Any = None, **changes: Any) -> TinyPlanner:
    said: list[str] = []
    given = {"settings": SETTINGS, "tools": TOOLS, **changes}
    return TinyPlanner(
        folder=folder,
        base=folder,
        open_model=open_model or silent,
        trainer=trainer or no_trainer,
        say=said.append,
        **given,
    )


@asynccontextmanager
async def silent(_: ModelAt) -> AsyncGenerator[BaseChatModel]:
    yield ScriptedChatModel(replies=["no plan"] * 100)


def no_trainer(kept: Path, on_step: Callable[[int, int, float], None]) -> Trainer:
    raise Failing


@pytest.mark.asyncio
async def test_a_tiny_model_learns_a_handful_of_plans(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from agentrt.training import TrlTrainer
    from agentrt.training.testing import TinyChat, make_tiny_llama

    made = exercises(TOOLS, count=4, held_out=2, most_calls=2)
    every = [item for part in made for item in part]
    texts = [message["content"] for chat in conversations(every, TOOLS) for message in chat]
    base = make_tiny_llama(tmp_path / "base", texts=texts, context=1_024)

    @asynccontextmanager
    async def open_tiny(model: ModelAt) -> AsyncGenerator[BaseChatModel]:
        yield TinyChat(folder=str(model), longest=60, greedy=True)

    steps: list[tuple[int, int]] = []

    def trainer(kept: Path, on_step: Callable[[int, int, float], None]) -> Trainer:
        def told(done: int, all_of_them: int, loss: float) -> None:
            steps.append((done, all_of_them))
            on_step(done, all_of_them, loss)

        return TrlTrainer(keep=kept, on_step=told)

    run = a_run(tmp_path / "run", trainer, open_tiny)
    run.base = base
    report = await run.run()
    assert steps == [(step, 100) for step in range(1, 101)]
    assert report["training"]["last_loss"] < 0.2 < report["training"]["first_loss"]
    assert report["scores"]["base"]["held_out_wording"]["free"] == [0, 0, 0]
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert "| held-out compositions | free | trained |" in (tmp_path / "run" / "report.md").read_text()
    async with open_tiny(tmp_path / "run" / "model") as trained:
        learnt = await measure(trained, TOOLS, made.train, form="free")
    assert [score.whole for score in learnt] == [1] * 4
    # Everything is done: nothing is opened, trained or measured again.
    again = a_run(tmp_path / "run")
    again.base = tmp_path / "gone"
    assert await again.run() == report


@pytest.mark.asyncio
async def test_a_run_goes_on_behind_the_last_step_and_belongs_to_its_tools(tmp_path: Path) -> None:
    with pytest.raises(Failing):
        await a_run(tmp_path).run()
    kept = json.loads((tmp_path / "exercises.json").read_text())
    before = (tmp_path / "base.json").read_text()

    @asynccontextmanager
    async def never(_: ModelAt) -> AsyncGenerator[BaseChatModel]:
        raise AssertionError("the base model was measured already")
        yield

    with pytest.raises(Failing):
        await a_run(tmp_path, open_model=never).run()
    assert (tmp_path / "base.json").read_text() == before
    assert json.loads((tmp_path / "exercises.json").read_text()) == kept
    for change in ({"tools": Toolset([*TOOLS.values(), a_tool("now")])}, {"settings": TinyPlannerSettings("tiny")}):
        with pytest.raises(UsageError, match="other tools or settings"):
            await a_run(tmp_path, **change).run()


@pytest.mark.asyncio
async def test_paraphrases_that_lose_a_value_are_not_taken(tmp_path: Path) -> None:
    replies: list[Any] = [lambda messages: "Who made " + str(messages[-1].content).rsplit("Question: ", 1)[1]] * 2
    larger = ScriptedChatModel(replies=[*replies, *(["Who made it?"] * 2)])

    @asynccontextmanager
    async def paraphrase() -> AsyncGenerator[BaseChatModel]:
        yield larger

    with pytest.raises(Failing):
        await a_run(tmp_path, paraphrase=paraphrase).run()
    rows = json.loads((tmp_path / "exercises.json").read_text())["exercises"]
    learnt = from_rows(rows["train"])
    assert sum(item.wording == "paraphrase" for item in learnt) == 2
    assert all("made it" not in item.question for item in learnt)
    assert not any("Who made" in item.question for item in from_rows(rows["held_out_compositions"]))


@pytest.mark.asyncio
async def test_a_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from agentrt.training import TrlTrainer
    from agentrt.training.testing import make_tiny_llama
    from multiagent.training.port import SftRow, TrainSettings

    base = make_tiny_llama(tmp_path / "base")
    rows = [SftRow([{"role": "user", "content": f"w{n}"}, {"role": "assistant", "content": f"w{n}"}]) for n in range(8)]
    settings = TrainSettings(lr_sft=1e-3, batch=1, micro_batch=1, epochs=1, device="cpu")

    def stop(done: int, _: int, __: float) -> None:
        if done == 5:
            raise Failing

    kept = tmp_path / "kept"
    with pytest.raises(Failing):
        TrlTrainer(keep=kept, keep_every=2, on_step=stop).sft(
            rows, model=base, output=tmp_path / "m", settings=settings
        )
    assert [path.name for path in kept.glob("checkpoint-*")] == ["checkpoint-4"]
    seen: list[int] = []
    outcome = TrlTrainer(keep=kept, keep_every=2, on_step=lambda done, *_: seen.append(done)).sft(
        rows, model=base, output=tmp_path / "m", settings=settings
    )
    assert seen == [5, 6, 7, 8]
    whole = TrlTrainer().sft(rows, model=base, output=tmp_path / "w", settings=settings)
    assert outcome.steps == whole.steps == 8
    assert outcome.last_loss == pytest.approx(whole.last_loss, rel=1e-4)
