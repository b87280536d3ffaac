"""Every command that a page shows is one: its name, its arguments and its options exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from agentrt.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND: Any = typer.main.get_command(app)
LINE = re.compile(r"^    (?:[A-Z_]+=\S+ )*agentrt (.*?)(?: #.*)?$|`agentrt ([a-z][^`]*)`", re.M)


def lines(page: Path) -> Iterator[str]:
    text = re.sub(r"\\\n *", "", page.read_text(encoding="utf-8"))
    for match in LINE.finditer(text):
        yield " ".join((match[1] or match[2]).split())


def words_of(line: str) -> list[str]:
    """The words of one command, up to where its output goes."""
    words: list[str] = []
    for word in shlex.split(line):
        if word in ("|", ">", "&&", "&", ";"):
            break
        words.append(word)
    return words


def parse(words: list[str]) -> str:
    """Parses a command without running it; what is wrong with it, as the command line would say it."""
    command, context = COMMAND, typer.Context(COMMAND, info_name="agentrt")
    try:
        while words and not words[0].startswith("-") and (inner := getattr(command, "commands", None)):
            if words[0] not in inner:
                return f"there is no command {words[0]!r}"
            name, *words = words
            command = inner[name]
            context = typer.Context(command, info_name=name, parent=context)
        if "completion" not in " ".join(words):  # those options act while they are parsed
            command.parse_args(context, [*words])
    except typer.Exit:  # --help
        return ""
    except Exception as error:
        said = str(getattr(error, "message", "") or error)
        named = said.startswith("Missing") or "requires an argument" in said or not words
        return "" if named else said
    return ""


@pytest.mark.parametrize("page", [page for page in PAGES if any(lines(page))], ids=lambda page: page.name)
def test_every_command_on_a_page_exists_with_its_options(page: Path) -> None:
    told = {line: parse(words_of(line)) for line in lines(page)}
    assert not {line: said for line, said in told.items() if said}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rum x.yaml", "no command 'rum'"),
        ("model shelve x", "no command 'shelve'"),
        ("run x.yaml --tols y", "--tols"),
        ("runs prune --older-than soon", "valid number"),
        ("run x.yaml --tools y --input a=b | less", ""),
    ],
)
def test_commands_that_do_not_exist_are_found(line: str, said: str) -> None:
    assert said in parse(words_of(line))
    assert bool(said) == bool(parse(words_of(line)))
