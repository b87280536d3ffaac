"""Options that several commands share, so that they read and behave the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.completing import complete_model

if TYPE_CHECKING:
    from executor import Tool

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="AGENTRT_MODEL",
        help="A name from `agentrt model list`, a model folder, or the URL of an OpenAI-compatible server.",
        show_default="qwen2.5-coder-1.5b",
        autocompletion=complete_model,
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tools",
        "-t",
        help="A Python file or module with tools, or documents to search: a folder, .json or .jsonl. Repeatable.",
        show_default="a calculator",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
MaxReplans = Annotated[int, typer.Option(min=0, help="Further plans after the first.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Calls at the same time.", show_default="no limit")]


def load(specs: list[str] | None) -> list[Tool]:
    """The tools named by `--tools`; a calculator without it."""
    from agentrt.tools import calculator, load_tools

    return [tool for spec in specs for tool in load_tools(spec)] if specs else [calculator]


def print_json(data: object) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
