"""`agentrt planner train` as its user meets it before anything is trained: what it refuses, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.cli_test import TOOLS, agentrt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    return tmp_path


def test_help_has_an_example(folder: Path) -> None:
    done = agentrt("planner", "train", "--help", cwd=folder)
    assert done.returncode == 0
    assert "agentrt planner train --tools tools.py --base smollm2-135m --out planners/mine" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--tools", "tools.py", "--out", "tools.py"), 2, "--out tools.py is a file"),
        (("--tools", "gone.py", "--out", "run", "--base", "base"), 1, "gone.py: there is no such file"),
        (
            ("--tools", "tools.py", "--out", "run", "--base", "gone"),
            2,
            "--base gone is neither a checkpoint folder nor",
        ),
        (("--tools", "tools.py", "--out", "run", "--base", "base", "--count", "0"), 2, "--count"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    pytest.importorskip("trl")
    done = agentrt("planner", "train", *arguments, cwd=folder)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
