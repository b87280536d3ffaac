"""The command as its user runs it: a process with arguments, two streams and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = '''
from agentrt import tool

@tool(effect="pure")
async def search(title: str) -> str:
    """Finds a page."""
    return title
'''


def agentrt(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agentrt.cli.main import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path


def test_a_plan_before_and_after_its_passes(folder: Path) -> None:
    (folder / "plan.txt").write_text('1. search("a")\n2. search("a")\n3. search($2)\n4. search("b")\n5. join($3)\n')
    done = agentrt("plan", "--check", "plan.txt", "--tools", "tools.py", "--passes", cwd=folder)
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("after:\n")
    assert before.count("search") == 4
    assert after == '1. search("a")\n3. search($1)\n\n' + (
        "merge: task 2 makes the same call as 1\nprune: nobody reads the result of task 4\n"
    )
    told = agentrt("plan", "--check", "plan.txt", "--tools", "tools.py", "--passes", "--json", cwd=folder)
    assert json.loads(told.stdout)["moved"] == {"2": "${1}"}


def test_a_good_plan_is_printed_as_json(folder: Path) -> None:
    (folder / "plan.txt").write_text('1. search("Ed Wood")\n2. search($1)\n3. join()\n')
    done = agentrt("plan", "--check", "plan.txt", "--tools", "tools.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        {"id": "1", "call": "search", "args": {"title": "Ed Wood"}},
        {"id": "2", "call": "search", "args": {"title": "${1}"}},
    ]


def test_every_error_of_a_plan_is_told_with_line_and_column(folder: Path) -> None:
    (folder / "plan.txt").write_text('1. serch("Ed Wood")\n2. search(titel="x")\n3. join()\n')
    done = agentrt("plan", "--check", "plan.txt", "--tools", "tools.py", cwd=folder)
    assert done.returncode == 1
    assert "line 1, column 1" in done.stderr
    assert "did you mean search?" in done.stderr
    assert "line 2, column 11" in done.stderr
    assert "did you mean 'title'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plan"], 2, "--check PLANFILE"),
        (["plan", "--check", "missing.txt"], 2, "missing.txt"),
        (["ask"], 2, "Missing argument"),
        (["ask", "?", "--model", "qwen2.5-coder-15b"], 1, "qwen2.5-coder-1.5b"),
        (["ask", "?", "--tools", "missing.py"], 1, "there is no such file"),
        (["ask", "?", "--model", "http://127.0.0.1:9/v1"], 1, "127.0.0.1:9"),
        (["model", "path", "nothing"], 1, "nothing"),
    ],
)
def test_what_goes_wrong_is_one_paragraph_and_an_exit_code(
    arguments: list[str], code: int, said: str, folder: Path
) -> None:
    done = agentrt(*arguments, cwd=folder, AGENTRT_HOME=str(folder / "home"))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where_it_happened(folder: Path) -> None:
    done = agentrt("--debug", "ask", "?", "--model", "nothing", cwd=folder, AGENTRT_HOME=str(folder / "home"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
