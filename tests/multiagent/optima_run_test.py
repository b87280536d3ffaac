"""The training loop without a model: order, resuming, filters, reports, and what goes wrong."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from multiagent import MaxTurns, Readability, Reward, Weights
from multiagent.errors import AgentFailed, NothingSelected, RunMismatch, StepFailed, StepNotReady, TrainingError
from multiagent.testing import ScriptedModel
from multiagent.training import (
    ByInfluence,
    OptimaRun,
    PairRules,
    Recipe,
    Setting,
    Task,
    Trainer,
    TrainOutcome,
    TreeSettings,
    read_tasks,
    recipe_named,
)
from multiagent.trajectories import Pair

pytestmark = pytest.mark.asyncio

TASKS = [Task(f"t{n}", f"Which is it, {n}?", ("yes",), {"alice": ("a fact",), "bob": ("b",)}) for n in range(3)]
RECIPE = Recipe("test", ("sft",), samples=3, weights=Weights(0.1, 0.0, 0.0), pool=())


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


class Copying(Trainer):
    """Writes down what it was given instead of training."""

    def __init__(self):
        self.rows, self.pairs = [], []

    def sft(self, rows, *, model, output, settings):
        self.rows.append(list(rows))
        return self._made(len(rows), output)

    def prefer(self, pairs, *, model, output, settings):
        self.pairs.append(list(pairs))
        return self._made(len(pairs), output)

    def _made(self, count, output: Path):
        output.mkdir(parents=True, exist_ok=True)
        return TrainOutcome(count, 0, 1, 2.0, 1.0, 0.0)


class Speaker:
    """Opens a scripted model whatever the checkpoint, and counts."""

    def __init__(self, reply):
        self.reply, self.opened = reply, []

    @asynccontextmanager
    async def __call__(self, model):
        self.opened.append(str(model))
        yield ScriptedModel.saying(self.reply)


def varied(messages):
    """Another message for every seed-independent call: right in every other dialogue."""
    varied.calls += 1
    return f"Answer: {'yes' if varied.calls % 3 else 'no'} {varied.calls}"


def make(folder, recipe=RECIPE, reply=varied, **more):
    varied.calls = 0
    settings = {
        "folder": folder,
        "recipe": recipe, "tasks": TASKS, "held_out": TASKS[:2], "setting": Setting(until=MaxTurns(2)),
        "base": "base", "open_model": Speaker(reply), "trainer": Copying(), "reward": Reward(least_tokens=1),
        "say": lambda _: None,
    }  # fmt: skip
    return OptimaRun(**{**settings, **more})


async def test_one_iteration_from_dialogues_to_report(tmp_path):
    run = make(tmp_path)
    report = await run.run()
    (rows,) = run.trainer.rows
    assert rows and all(row.messages[-1]["role"] == "assistant" for row in rows)
    assert all(row.messages[0]["role"] == "system" for row in rows)
    assert run.open_model.opened == ["base", "base", str(tmp_path / "iteration-1/model")]
    assert "| 0 | base |" in report.read_text() and "| 1 | sft |" in report.read_text()
    run.close()


async def test_a_finished_run_does_nothing_again(tmp_path):
    first = make(tmp_path)
    await first.run()
    first.close()
    again = make(tmp_path)
    await again.run()
    assert again.open_model.opened == [] and again.trainer.rows == []
    again.close()


@pytest.mark.parametrize("killed_at", range(1, 11))
async def test_a_run_killed_anywhere_goes_on_there(tmp_path, killed_at):
    said = []

    def dying(line):
        said.append(line)
        if len(said) == killed_at:
            raise Killed

    run = make(tmp_path, say=dying)
    with pytest.raises((Killed, BaseExceptionGroup)):  # a group where it dies among tasks that run side by side
        await run.run()
    done = run.store.tasks(1)
    run.close()
    rest = make(tmp_path, reply=lambda _: "Answer: yes")
    await rest.run()
    assert rest.place.done("eval", 1) is not None
    assert rest.store.tasks(1) == {"t0", "t1", "t2"} >= done
    assert len(list(rest.store.trajectories())) == 9
    rest.close()


async def test_trees_become_pairs(tmp_path):
    recipe = replace(
        RECIPE, steps=("dpo",), tree=TreeSettings(expansions=2, rollouts=4), weights_dpo=Weights(0.1, 0.0),
        pairs=PairRules(least=0.0, gap=0.01, keep=1.0),
    )  # fmt: skip
    texts = ["Answer: yes", "It might well be something quite different. Answer: no", "Answer: yes", "Dunno!"]

    def reply(messages):
        varied.calls += 1
        return texts[varied.calls % 4]

    planner = Pair([{"role": "user", "content": "p"}], [{"role": "assistant", "content": "c"}], [], source="planner")
    run = make(tmp_path, recipe, reply, more_pairs=[planner])
    await run.run()
    (pairs,) = run.trainer.pairs
    assert {pair.source for pair in pairs} == {"optima", "planner"}
    assert all(pair.prompt[-1]["role"] == "user" for pair in pairs)
    nodes = list(run.store.trajectories(iteration=1))
    assert all(one.parent in {other.id for other in nodes} for one in nodes if one.parent)
    run.close()


async def test_no_dialogue_good_enough_is_said_and_the_dialogues_are_kept(tmp_path):
    run = make(tmp_path, replace(RECIPE, weights=Weights(0.1, 0.0, 5.0)))
    with pytest.raises(NothingSelected, match=r"no dialogue of iteration 1 is worth 5.0 or more \(the best is"):
        await run.run()
    assert len(list(run.store.trajectories())) == 9
    assert "1 of 2 evaluations are done" in (tmp_path / "report.md").read_text()
    run.close()


async def test_no_pair_passing_is_said(tmp_path):
    run = make(tmp_path, replace(RECIPE, steps=("dpo",), tree=TreeSettings(expansions=1, rollouts=2)), lambda _: "hm")
    with pytest.raises(NothingSelected, match="no pair of iteration 1 passes"):
        await run.run()
    run.close()


@pytest.mark.parametrize("kind", ["sft", "dpo"])
async def test_a_model_that_fails_is_named_as_it_is_and_in_no_group(tmp_path, kind):
    def broken(messages):
        raise ConnectionError("the server went away")

    run = make(tmp_path, replace(RECIPE, steps=(kind,)), broken)
    with pytest.raises(AgentFailed, match="agent alice failed at turn 1: ConnectionError: the server went away"):
        await run.step("collect", 1)
    run.close()


@pytest.mark.parametrize("kind", ["sft", "dpo"])
async def test_seeds_are_sent_only_where_the_recipe_says_so(tmp_path, kind):
    for seeded in (True, False):
        heard = []

        @asynccontextmanager
        async def opened(model, heard=heard):
            heard.append(ScriptedModel.saying(varied))
            yield heard[-1]

        recipe = replace(RECIPE, steps=(kind,), seeded=seeded)
        run = make(tmp_path / str(seeded), recipe, open_model=opened)
        await run.step("eval", 0)
        await run.step("collect", 1)
        assert {"seed" in settings for model in heard for settings in model.settings} == {seeded}
        run.close()


async def test_dialogues_of_several_tasks_are_held_at_once(tmp_path):
    """Two tasks with one dialogue each: neither answers before both have been asked."""
    asked, both = [], anyio.Event()

    class Meeting(ScriptedModel):
        async def _open(self):
            asked.append(self)
            if len(asked) == 2:
                both.set()
            await both.wait()

    @asynccontextmanager
    async def open_meeting(model):
        yield Meeting.saying(lambda _: "Answer: yes")

    run = make(tmp_path, replace(RECIPE, samples=1), tasks=TASKS[:2], open_model=open_meeting)
    with anyio.fail_after(10):
        await run.step("collect", 1)
    assert run.store.tasks(1) == {"t0", "t1"}
    run.close()


async def test_the_model_to_be_trained_is_what_influence_is_measured_on(tmp_path):
    asked = []

    def influence(model, pairs):
        asked.append(str(model))
        return [-float(at) for at in range(len(pairs))]

    recipe = replace(
        RECIPE, steps=("dpo",), tree=TreeSettings(expansions=2, rollouts=4), weights_dpo=Weights(0.1, 0.0),
        pairs=PairRules(least=0.0, gap=0.01, keep=0.1),
    )  # fmt: skip
    run = make(tmp_path, recipe, selector=ByInfluence(influence))
    for step in ("collect", "rank", "select"):
        await run.step(step, 1)
    assert asked == ["base"] and len(list(run.store.pairs())) == 1
    run.close()


async def test_a_reward_that_is_nan_leaves_its_dialogue_out(tmp_path):
    class Broken(Readability):
        async def losses(self, texts):
            return [float("nan") if any(digit in text for digit in "369") else 2.0 for text in texts]

    run = make(tmp_path, replace(RECIPE, weights=Weights(0.1, 1.0, 0.0)), readability=Broken())
    await run.step("collect", 1)
    ranked = await run.step("rank", 1)
    assert ranked["unrated"] > 0 and ranked["dialogues"] + ranked["unrated"] == 9
    assert ranked["reward"] == ranked["reward"]
    run.close()


async def test_the_pool_of_formats_is_for_the_first_iteration_and_is_not_learnt(tmp_path):
    run = make(tmp_path, replace(RECIPE, pool=("telegram", "list")))
    await run.step("collect", 1)
    stored = list(run.store.trajectories(iteration=1))
    assert all("telegram" not in str(one.chats) and "numbered list" not in str(one.chats) for one in stored)
    run.close()


async def test_steps_keep_their_order(tmp_path):
    run = make(tmp_path)
    with pytest.raises(StepNotReady, match="train of iteration 1 comes after select"):
        await run.step("train", 1)
    with pytest.raises(StepNotReady, match="there is no step 'bake'"):
        await run.step("bake", 1)
    run.close()


async def test_another_recipe_in_the_same_folder_is_refused(tmp_path):
    make(tmp_path).close()
    with pytest.raises(RunMismatch, match="another recipe"):
        make(tmp_path, replace(RECIPE, samples=4))


async def test_another_way_to_talk_in_the_same_folder_is_refused(tmp_path):
    make(tmp_path).close()
    with pytest.raises(RunMismatch, match="another setting"):
        make(tmp_path, setting=Setting(format="compact", until=MaxTurns(2)))


async def test_the_report_names_the_machine(tmp_path):
    run = make(tmp_path, machine="two abacuses")
    await run.run()
    assert "Run on: two abacuses." in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["machine"] == "two abacuses"
    run.close()


async def test_what_the_trainer_raises_names_the_step(tmp_path):
    class Failing(Copying):
        def sft(self, rows, **settings):
            raise RuntimeError("out of memory")

    run = make(tmp_path, trainer=Failing())
    with pytest.raises(StepFailed, match=r"train of iteration 1 broke off \(RuntimeError: out of memory\)"):
        await run.run()
    run.close()


async def test_the_papers_recipes():
    assert recipe_named("isft").steps == ("sft",) * 6
    assert recipe_named("isft-dpo", family="gsm8k").weights.threshold == 0.6
    assert recipe_named("idpo", family="math").weights_dpo == Weights(0.5, 0.7)
    with pytest.raises(TrainingError, match="there are: isft, idpo, isft-dpo"):
        recipe_named("ppo")


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "cannot be read"), ("{}", "must hold a JSON list"), ('[{"question": "x"}]', "task 0 needs question and")],
)
async def test_task_files_that_are_none(tmp_path, text, says):
    path = tmp_path / "tasks.json"
    path.write_text(text)
    with pytest.raises(TrainingError, match=says):
        read_tasks(path)


async def test_tasks_are_read(tmp_path):
    path = tmp_path / "tasks.json"
    context = [{"title": "T", "text": "is x", "supporting": True}, "plain"]
    rows = [
        {"question": "q", "answer": "a", "aliases": ["b"], "agents": [{"name": "alice", "context": context}]},
        {"question": "6 x 7", "answer": "6*7\n#### 42"},
    ]
    path.write_text(json.dumps(rows))
    first, second = read_tasks(path)
    assert first.references == ("a", "b") and first.contexts == {"alice": ("T: is x", "plain")}
    assert second.references == ("42",) and second.measure("so 42", second.references) == 1.0
    assert Setting().conversation(second).protocol.name == "debate"
    assert Setting(alone=True).conversation(first).names == ("solver",)
