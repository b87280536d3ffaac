"""What holds for all commands alike: help with an example, `--json`, and one meaning of every exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agentrt.cli.main import app, main

ROOT = Path(__file__).parents[2]
# What they print has a form of its own, or they are talked to.
NO_JSON = {
    "repl": "a conversation",
    "workflow schema": "JSON already",
    "workflow draw": "a drawing",
    "model logs": "the lines of a log",
}


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name, one in inner.items():
        yield from commands(one, f"{path} {name}".strip())


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does_with_an_example_and_its_options(name: str) -> None:
    done = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    assert f"agentrt {name}" in done.output, "the example"
    command = COMMANDS[name]
    for one in command.params:
        assert one.help or one.name == "help", f"--{one.name} says nothing of itself"
    options = {option for one in command.params for option in one.opts}
    assert ("--json" in options) is (name not in NO_JSON)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_does_not_exist_is_wrong_usage(name: str) -> None:
    done = CliRunner().invoke(app, [*name.split(), "--no-such-option"])
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert not done.stdout


def test_every_command_with_arguments_says_which_is_missing() -> None:
    for name, command in COMMANDS.items():
        if any(one.param_type_name == "argument" and one.required for one in command.params):
            done = CliRunner().invoke(app, name.split())
            assert done.exit_code == 2, name
            assert "Missing argument" in done.stderr, name


def agentrt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agentrt.cli.main import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "AGENTRT_HOME": str(cwd / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


WORKFLOW = "agentrt: 1\nname: w\ntasks:\n  a: {call: calculator, approve: true, with: {expression: 1 + 1}}\n"


def test_a_run_through_its_whole_life_prints_nothing_but_json(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    parked = agentrt("run", "w.yaml", "--journal", "runs.db", "--json", cwd=tmp_path)
    assert (parked.returncode, parked.stdout) == (3, "")

    def told(*words: str) -> Any:
        done = agentrt("runs", *words, "--journal", "runs.db", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ((run,)) = [one["id"] for one in told("list")]
    assert [one["task"] for one in told("show", run)["waiting"]] == ["a"]
    assert told("approve", run, "a")["answer"] == "yes"
    assert told("resume", run)["output"] == 2
    assert told("resume", run)["output"] == 2, "what has finished is told again"
    refused = agentrt("runs", "cancel", run, "--journal", "runs.db", cwd=tmp_path)
    assert refused.returncode == 2
    assert "has ended already (finished)" in refused.stderr
    assert told("prune", "--keep", "0") == {"removed": [run]}


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("boom"), 1, "something unforeseen went wrong (ValueError: boom)"),
        (ExceptionGroup("several", [ValueError("boom")]), 1, "(ValueError: boom)"),
        (ExceptionGroup("several", [ValueError("a"), KeyError("b")]), 1, "ExceptionGroup: several"),
        (MemoryError(), 1, "(MemoryError)"),
    ],
)
def test_what_nobody_foresaw_is_one_paragraph_too(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("agentrt.cli.main.app", fail)
    monkeypatch.setattr(sys, "argv", ["agentrt"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert said in printed.err and not printed.out
    assert printed.err.count("\n") == 1
