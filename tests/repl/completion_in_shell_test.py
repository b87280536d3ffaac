"""Shell completion as the how-to writes it, in a real bash; zsh and fish get what their scripts ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pexpect
import pytest

from agentrt import Runtime, tool
from executor import Plan, Task
from tests.repl.terminals import ROOT


@tool(effect="pure")
def look() -> int:
    """Looks."""
    return 1


async def a_run(journal: Path) -> None:
    async with Runtime(None, [look], journal=journal) as rt:
        await rt.run(Plan([Task("1", "look", {})]), title="a look: 'quoted' $HOME", run_id="c0ffee123456")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell in which `agentrt` is installed."""
    program = tmp_path / "bin" / "agentrt"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom agentrt.cli.main import main\nsys.argv[0] = 'agentrt'\nmain()\n"
    )
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    anyio.run(a_run, home / "runs.db")
    path = f"{program.parent}:{os.environ['PATH']}"
    more = {"HOME": str(home), "AGENTRT_HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    return {**os.environ, **more}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_models_and_runs(env: dict[str, str], tmp_path: Path) -> None:
    shell = pexpect.spawn("bash", ["--norc", "-i"], env=env, cwd=str(tmp_path), timeout=30, encoding="utf-8")
    try:
        shell.sendline("PS1='ready> '; bind 'set enable-bracketed-paste off'; agentrt --install-completion")
        shell.expect_exact("completion installed")
        shell.sendline(". ~/.bashrc; echo loa''ded")
        shell.expect_exact("loaded")
        for typed, completed in (
            ("agentrt work\t", "agentrt workflow "),
            ("agentrt run --res\t", "agentrt run --resume "),
            ("agentrt ask --model smoll\t", "smollm2-135m "),
            ("agentrt runs show c0\t", "c0ffee123456 "),
            ("agentrt trace c0\t", "c0ffee123456 "),
        ):
            shell.send(typed)
            shell.expect_exact(completed)
            shell.sendcontrol("u")
        shell.sendline("agentrt runs show c0ffee123456")
        shell.expect_exact("a look: 'quoted' $HOME")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
    finally:
        shell.close(force=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_what_their_scripts_ask_for(shell: str, env: dict[str, str]) -> None:
    asked = {"_AGENTRT_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for line, wanted in (("agentrt runs show c", "c0ffee123456"), ("agentrt wor", "workflow")):
        done = subprocess.run(
            ["agentrt"],
            env={**env, **asked, "_TYPER_COMPLETE_ARGS": line},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert wanted in done.stdout, done.stderr


def test_without_a_journal_nothing_is_completed_and_nothing_is_said(env: dict[str, str], tmp_path: Path) -> None:
    for journal in (tmp_path / "none.db", tmp_path):
        asked = {"_AGENTRT_COMPLETE": "complete_bash", "COMP_WORDS": "agentrt runs show ", "COMP_CWORD": "3"}
        done = subprocess.run(
            ["agentrt"],
            env={**env, **asked, "AGENTRT_JOURNAL": str(journal)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr) == ("", "")
