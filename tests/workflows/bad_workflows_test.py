"""A corpus of workflows that must be refused, each with the right place and message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentrt import Tool
from agentrt.workflows import InvalidWorkflow, Workflow

FOLDER = Path(__file__).parent / "bad"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_it_is_refused_where_it_is_wrong(case: dict[str, Any], tools: list[Tool]) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        Workflow.load(FOLDER / case["file"], tools=tools)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (case["line"], case["column"]), problem.pretty()
    assert case["says"] in str(problem)
    assert str(problem).startswith(f"{FOLDER / case['file']}:{case['line']}:{case['column']}: ")


def test_the_corpus_is_whole() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert files == {case["file"] for case in CASES}
    assert len(files) >= 30


def test_the_caret_stands_under_the_place(tools: list[Tool]) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        Workflow.load(FOLDER / "unknown-step.yaml", tools=tools)
    lines = caught.value.problems[0].pretty().splitlines()
    assert lines[1][lines[2].index("^") :].startswith("${lfet}")
    assert lines[3] == "  fix: did you mean left?"


def test_50_megabytes_are_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(InvalidWorkflow, match="larger than 1 MiB"):
        Workflow.load(path)
    with pytest.raises(InvalidWorkflow, match="larger than 1 MiB"):
        Workflow.from_text("a" * 2_000_000)


def test_a_missing_file_and_a_folder_are_problems_too(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(InvalidWorkflow, match="cannot be read"):
            Workflow.load(path)
