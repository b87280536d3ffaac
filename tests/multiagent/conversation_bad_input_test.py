"""Agents, rewards and disks as nobody wants them: a clear error or a documented stop, and what was paid for is kept."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from multiagent import Agent, Conversation, EndMark, MaxTurns, Reward, Weights
from multiagent.errors import DiskFull, DuplicateAgent, EndlessConversation, RewardNotFinite
from multiagent.testing import ScriptedModel
from multiagent.training import Recipe, Setting, Task
from multiagent.training.collect import Collector
from multiagent.trajectories import TrajectoryStore

PAIR = [Agent("alice", context="The key is blue."), Agent("bob", context="The lock is green.")]


def test_agents_with_equal_names_are_refused_before_anything_is_said():
    with pytest.raises(DuplicateAgent, match="two agents are called 'BOB'"):
        Conversation([Agent("bob"), Agent("alice"), Agent("BOB")])


@pytest.mark.asyncio
async def test_the_end_mark_at_once_ends_with_the_first_turn_and_is_no_answer():
    model = ScriptedModel.saying(["DONE", "blue"])
    result = await Conversation(PAIR, until=EndMark("DONE") | MaxTurns(9)).run("?", model=model)
    assert result.stop_reason == "end_mark" and result.answer == "blue"
    assert [turn.kind for turn in result.transcript] == ["turn", "last"]


@pytest.mark.asyncio
async def test_an_end_mark_that_never_comes_needs_a_limit_beside_it():
    with pytest.raises(EndlessConversation, match=r"EndMark\('DONE'\)"):
        Conversation(PAIR, until=EndMark("DONE"))
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)} and still at it")
    result = await Conversation(PAIR, until=EndMark("DONE") | MaxTurns(5), last_answer=0).run("?", model=model)
    assert result.stop_reason == "max_turns" and len(result.transcript) == 5


@pytest.mark.asyncio
async def test_two_agents_that_both_speak_for_both_are_cut_each_time_and_pay_for_it():
    reply = "I know mine.\nbob: And I mine.\nalice: Answer: x"
    model = ScriptedModel.saying(lambda _: f"{len(model.prompts)} {reply}")
    rated = Reward(weights=Weights(0.0, 0.0), least_tokens=1)
    talk = Conversation(PAIR, until=MaxTurns(2), reward=rated, last_answer=0)
    result = await talk.run("?", model=model, reference="x")
    assert all("speaks_for_other" in turn.flags and "Answer" not in turn.text for turn in result.transcript)
    assert result.answer is None
    assert result.reward is not None and result.reward.penalty == 1.0 and result.reward.total == -1.0


@pytest.mark.asyncio
async def test_a_reward_that_is_nan_is_named_and_the_conversation_comes_with_the_error():
    rated = Reward(metric=lambda answer, reference: float("nan"))
    model = ScriptedModel.saying(["Answer: blue", "Answer: blue"])
    with pytest.raises(RewardNotFinite, match="task metric is nan") as caught:
        await Conversation(PAIR, reward=rated).run("?", model=model, reference="blue")
    assert caught.value.result is not None
    assert caught.value.result.answer == "blue" and caught.value.result.stop_reason == "agreement"


@pytest.mark.asyncio
async def test_a_disk_that_fills_up_while_dialogues_are_collected_keeps_the_finished_tasks(tmp_path):
    store = TrajectoryStore(tmp_path / "trajectories.sqlite")
    tasks = [Task(f"t{n}", f"{n}?", ("yes",), {"alice": ("a",), "bob": ("b",)}) for n in range(3)]
    recipe = Recipe("test", ("sft",), samples=2, pool=(), concurrency=1)
    model = ScriptedModel.saying(lambda _: f"Answer: {len(model.prompts)} " + "word " * 400)
    settings = Setting(until=MaxTurns(4))
    await Collector(store, settings, recipe, 1, "scripted", lambda _: None).dialogues(tasks[:1], model)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DiskFull, match="what was stored is kept"):
        await Collector(store, settings, recipe, 1, "scripted", lambda _: None).dialogues(tasks, model)
    assert store.tasks(1) == {"t0"} and len(list(store.trajectories())) == 2
    store._connection.execute("PRAGMA max_page_count=100000")
    await Collector(store, settings, recipe, 1, "scripted", lambda _: None).dialogues(tasks, model)
    assert store.tasks(1) == {"t0", "t1", "t2"} and len(list(store.trajectories())) == 6
    store.close()


RUN = """
    import sys
    from contextlib import asynccontextmanager
    from pathlib import Path
    import anyio
    from multiagent import MaxTurns, Reward, Weights
    from multiagent.testing import ScriptedModel
    from multiagent.training import OptimaRun, Recipe, Setting, Task, Trainer

    tasks = [Task(f"t{n}", f"{n}?", ("yes",), {"alice": ("a",), "bob": ("b",)}) for n in range(3)]

    class Hanging(Trainer):
        def sft(self, rows, *, model, output, settings):
            print("training", len(rows), flush=True)
            sys.stdin.read()  # until it is killed

        prefer = sft

    @asynccontextmanager
    async def opened(model):
        yield ScriptedModel.saying(lambda messages: "Answer: yes")

    recipe = Recipe("test", ("sft",), samples=2, weights=Weights(0.1, 0.0, 0.0), pool=())
    run = OptimaRun(
        Path(sys.argv[1]), recipe, tasks, tasks, Setting(until=MaxTurns(2)), "base", opened, Hanging(),
        reward=Reward(least_tokens=1), say=lambda line: print(line, flush=True),
    )
    anyio.run(run.run)
"""


def test_a_training_run_killed_by_a_signal_goes_on_at_the_step_it_was_at(tmp_path):
    """The process dies without a chance to say anything; the one after it collects nothing again."""
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(tmp_path / "run")]
    heard = []
    for _ in range(2):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.strip())
                if line.startswith("training"):
                    break
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        heard.append(lines)
    assert heard[0][0] == "iteration 0 of 1: eval" and heard[0][-1] == "training 4"
    assert heard[1] == ["iteration 1 of 1: train", "training 4"]
    store = TrajectoryStore(tmp_path / "run" / "trajectories.sqlite")
    assert len(list(store.trajectories())) == 6
    store.close()
