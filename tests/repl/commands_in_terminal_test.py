"""`agentrt run` on a real terminal: drawn live, asked about in line, stopped and gone on with."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.repl.terminals import ROOT, Terminal

AGENTRT = ("-c", "from agentrt.cli.main import main; main()")
TOOLS = '''
import asyncio
from pathlib import Path

from agentrt import tool


@tool(effect="pure")
async def wait(name: str) -> str:
    """Waits for a file."""
    with Path("waits").open("a") as file:
        file.write(name)
    while not Path(name).exists():
        await asyncio.sleep(0.02)
    return f"{name} is there"


@tool(effect="once")
async def send(to: str) -> str:
    """Sends."""
    with Path("sent").open("a") as file:
        file.write(f"{to} ")
    return f"sent to {to}"
'''
WORKFLOW = """agentrt: 1
name: both
tasks:
  first: {call: send, approve: 'Write to ann?', with: {to: ann}}
  second: {call: send, approve: 'Write to bob?', with: {to: bob}}
  file: {call: wait, with: {name: door}}
"""


@pytest.fixture
def run(start: type[Terminal]) -> type[Terminal]:
    class Run(start):
        def __init__(self, *options: str, **more: object) -> None:
            command = (*AGENTRT, "run", "both.yaml", "--tools", "tools.py", *options)
            super().__init__((), program=command, **more)

    return Run


@pytest.fixture(autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue("tmp_path")
    (folder / "tools.py").write_text(TOOLS)
    (folder / "both.yaml").write_text(WORKFLOW)


@pytest.mark.parametrize("form", ["live", "lines"])
def test_calls_are_asked_about_one_after_the_other_while_the_rest_goes_on(form: str, run: type[Terminal]) -> None:
    terminal = run() if form == "live" else run("--no-watch", TERM="dumb")
    terminal.until("Write to ann?")
    terminal.until("value JSON: ")
    assert "later" not in terminal.shown, "there is no journal to wait in"
    (terminal.folder / "door").touch()
    terminal.until("door is there")
    terminal.type("later\r")
    terminal.until("Write to bob?")
    terminal.until("value JSON: ")
    terminal.type("yes\r")
    assert terminal.ends() == 1
    assert (terminal.folder / "sent").read_text() == "bob "
    assert "step first failed: task first: send was not allowed: it was not answered" in terminal.shown
    if form == "live":
        assert "✓ second. send" in terminal.shown and "✗ first. send" in terminal.shown


def test_a_run_that_is_stopped_says_the_line_that_goes_on_with_it(run: type[Terminal]) -> None:
    terminal = run("--journal", "my runs.db", columns=200)
    for _ in range(2):
        terminal.until("later: ")
        terminal.type("y\r")
    terminal.until("sent to bob")
    terminal.type("\x03")
    assert terminal.ends() == 130
    (line,) = re.findall(r"go on with `agentrt (.*)`", terminal.shown)
    (terminal.folder / "door").touch()
    done = subprocess.run(
        [sys.executable, *AGENTRT, *shlex.split(line)],
        cwd=terminal.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"] == "door is there"
    assert (terminal.folder / "sent").read_text() == "ann bob "


def test_ctrl_c_at_a_question_leaves_it_unanswered(run: type[Terminal]) -> None:
    terminal = run("--journal", "runs.db")
    terminal.until("later: ")
    terminal.type("y\x03")
    assert terminal.ends() == 130
    assert not (terminal.folder / "sent").exists()
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"
