"""`docs/cli.md` is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

from agentrt.cli.reference import reference


def test_the_reference_has_not_drifted() -> None:
    written = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m agentrt.cli.reference > docs/cli.md"


def test_every_command_says_what_it_does_and_shows_an_example() -> None:
    sections = reference().split("\n## ")[1:]
    commands = [part for section in sections for part in (section.split("\n### ")[1:] or [section])]
    assert len(commands) >= 20
    for command in commands:
        name = command.partition("\n")[0]
        assert "Example" in command, name
        assert "```text" in command, name
