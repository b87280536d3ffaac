"""Conversations as a tool, as `agentrt talk`, and training as `agentrt optima`."""

import json
from contextlib import asynccontextmanager

import pytest
import typer
from typer.testing import CliRunner

from agentrt.cli import optima
from agentrt.cli.talk import talk
from agentrt.errors import UsageError
from agentrt.tools.conversation import conversation
from executor import Executor, Finished, Ref, Task, Tool
from multiagent.errors import RunMismatch, StepNotReady, TrainingError
from multiagent.testing import ScriptedModel


@pytest.fixture
def command():
    app = typer.Typer()
    app.command()(talk)
    app.add_typer(optima.app, name="optima")
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def speaker(monkeypatch):
    model = ScriptedModel.saying(["+ Gallu: demon\n? Lilu", "= a spirit", "= a spirit"])

    @asynccontextmanager
    async def open_scripted(spec, **_):
        yield model

    monkeypatch.setattr("agentrt.serving.open_model", open_scripted, raising=False)
    return model


@pytest.mark.asyncio
async def test_a_conversation_is_a_task_of_a_plan_like_any_other():
    model = ScriptedModel.saying(["? Lilu", "= a spirit", "= a spirit"])
    contexts = Tool(name="look_up", function=lambda name: f"All about {name}.", effect="pure")
    plan = [
        Task("1", "look_up", {"name": "Gallu"}),
        Task("2", "look_up", {"name": "Lilu"}),
        Task("3", "converse", {"question": "If Gallu is a demon, Lilu is what?", "contexts": [Ref("1"), Ref("2")]}),
    ]
    outcomes = await Executor([contexts, conversation(model)]).run(plan)
    assert isinstance(outcomes["3"], Finished), outcomes["3"]
    assert outcomes["3"].value["answer"] == "a spirit" and outcomes["3"].value["stop_reason"] == "agreement"
    assert "All about Gallu." in model.prompts[0][0].text and "All about Lilu." not in model.prompts[0][0].text


def test_talking_at_the_command_line(command, speaker, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"context {name}")
    asked = ["talk", "Lilu?", "-c", tmp_path / "a", "-c", tmp_path / "b", "--format", "compact"]
    result = command(*asked, "--gloss", "--resume", tmp_path / "talk.sqlite")
    assert result.exit_code == 0, result.output
    assert result.stdout == "a spirit\n"
    assert "bob: = a spirit" in result.stderr and "alice tells: Gallu: demon" in result.stderr
    assert "[agreement, " in result.stderr
    again = command(*asked, "--json", "--resume", tmp_path / "talk.sqlite")
    assert json.loads(again.stdout)["stop_reason"] == "agreement" and len(speaker.prompts) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "morse"], "there is no format 'morse'"),
        (["--protocol", "duel"], "there is no protocol 'duel'"),
        (["-c", "nowhere.txt"], "cannot be read as text"),
    ],
)
def test_options_of_talk_that_mean_nothing(command, arguments, says):
    result = command("talk", "?", *arguments)
    assert isinstance(result.exception, UsageError) and says in str(result.exception)


def tasks_in(folder, count=6):
    path = folder / "tasks.json"
    path.write_text(json.dumps([{"question": f"q{n}", "answer": "w5"} for n in range(count)]))
    return path


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--formats", "plain,morse"], UsageError, "--formats knows no 'morse'"),
        (["--selector", "best"], UsageError, "--selector is one of random, q, influence"),
        (["--loss", "ppo"], UsageError, "--loss is dpo or simpo"),
        (["--recipe", "ppo"], TrainingError, "there is no recipe 'ppo'"),
        (["--model", "nowhere"], UsageError, "neither a checkpoint folder nor one of"),
        (["--limit", "1"], None, "Invalid value"),
    ],
)
def test_options_of_optima_that_mean_nothing(command, tmp_path, arguments, error, says):
    (tmp_path / "config.json").write_text("{}")
    base = [] if "--model" in arguments else ["--model", tmp_path]
    result = command("optima", "loop", tmp_path / "run", "--tasks", tasks_in(tmp_path), *base, *arguments)
    if error is None:
        assert result.exit_code == 2
    else:
        assert isinstance(result.exception, error) and says in str(result.exception)


def test_steps_at_the_command_line(command, speaker, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    speaker.script = lambda messages: f"It is w5.\nAnswer: w5 {len(speaker.prompts) % 3}"
    shared = [tmp_path / "run", "--tasks", tasks_in(tmp_path), "--model", tmp_path, "--no-readability-term"]
    collected = command("optima", "collect", *shared, "--samples", 2)
    assert collected.exit_code == 0, collected.exception
    assert "iteration 1, step collect, trajectories 10" in collected.stdout
    assert "dialogues" in collected.stderr and "report: " in collected.stdout
    ranked = command("optima", "rank", *shared, "--samples", 2, "--json")
    assert json.loads(ranked.stdout)["dialogues"] == 10
    exported = command("optima", "export", tmp_path / "run", tmp_path / "out.jsonl")
    assert exported.stdout.startswith("10 trajectories: ")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10
    nothing = command("optima", "export", tmp_path / "nowhere", tmp_path / "out.jsonl")
    assert isinstance(nothing.exception, UsageError) and "is no run" in str(nothing.exception)
    early = command("optima", "train", *shared, "--samples", 2)
    assert isinstance(early.exception, StepNotReady) and "comes after select" in str(early.exception)
    other = command("optima", "rank", *shared, "--samples", 3)
    assert isinstance(other.exception, RunMismatch)


def test_how_dialogues_are_sampled_is_an_option(command, speaker, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    speaker.script = lambda messages: f"= w5 {len(speaker.prompts)}"
    options = [
        "--samples",
        "2",
        "--temperature",
        "0.3",
        "--formats",
        "compact,json",
        "--max-turns",
        "1",
        "--no-readability-term",
    ]
    collected = command(
        "optima", "collect", tmp_path / "run", "--tasks", tasks_in(tmp_path), "--model", tmp_path, *options
    )
    assert collected.exit_code == 0, collected.exception
    assert {one["temperature"] for one in speaker.settings} == {0.3}
    told = [prompt[0].text for prompt in speaker.prompts]
    assert any("JSON object" in text for text in told) and any("short notes" in text for text in told)
    assert not any("full sentences" in text for text in told)
