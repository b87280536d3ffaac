"""Every workflow in `examples/workflows` runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrt import Runtime, Tool
from agentrt.tools import load_tools
from agentrt.tools.knowledge_graph import knowledge_graph
from agentrt.workflows import WorkflowResult
from executor.approval import Parked, Verdict
from executor.journal import SqliteJournal
from kg_rag import Tables, build_graph
from planner.testing import ScriptedChatModel

FOLDER = Path(__file__).parents[2] / "examples" / "workflows"


@pytest.fixture(scope="module")
def tools() -> list[Tool]:
    return load_tools(str(FOLDER / "tools.py"))


@pytest.fixture(autouse=True)
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("OUTBOX", str(tmp_path / "outbox.txt"))
    monkeypatch.setenv("ARCHIVE", str(tmp_path / "archive.txt"))
    return tmp_path / "outbox.txt"


async def run(file: str, tools: list[Tool], *replies: Any, **inputs: object) -> WorkflowResult:
    async with Runtime(ScriptedChatModel(replies=[*replies]), tools) as rt:
        return await rt.run(FOLDER / file, **inputs)


@pytest.mark.asyncio
async def test_map_reduce(tools: list[Tool]) -> None:
    def fact(messages: list[Any]) -> str:
        return "sum of " + str(messages[-1].content).split("\n\n")[1][:12]

    result = await run("map_reduce.yaml", tools, fact, fact, fact, lambda messages: str(messages[-1].content))
    assert result.ok
    output: Any = result.output
    assert output["notes"] == ["ferry.txt", "harbour.txt", "weather.txt"]
    assert '["sum of The ferry to", "sum of The harbour", "sum of A gale warni"]' in output["report"]


@pytest.mark.asyncio
async def test_fallback(tools: list[Tool], monkeypatch: pytest.MonkeyPatch) -> None:
    down: Any = (await run("fallback.yaml", tools, currency="EUR")).output
    assert down["rate"]["source"] == "yesterday"
    assert "does not answer" in down["trouble"]
    monkeypatch.setenv("EXCHANGE_IS_UP", "1")
    up: Any = (await run("fallback.yaml", tools, currency="EUR")).output
    assert up["rate"]["source"] == "exchange"
    assert up["trouble"] is None


@pytest.mark.asyncio
async def test_nested(tools: list[Tool]) -> None:
    output: Any = (await run("nested.yaml", tools)).output
    assert output["profiles"] == [
        {"title": "ferry", "words": 40},
        {"title": "harbour", "words": 32},
        {"title": "weather", "words": 26},
    ]
    assert output["words_in_first_line"] == 2


@pytest.mark.asyncio
async def test_planner_inside(tools: list[Tool]) -> None:
    plan = '1. read_note("ferry.txt")\n2. word_count($1.text)\n3. join()'
    decision = json.dumps({"thought": "", "tasks": ["2"], "answer": "40 words"})
    differ = await run("compare.yaml", tools, '{"agree": false}', plan, decision, a="ferry.txt", b="weather.txt")
    assert differ.output == {"agree": False, "detail": "40 words"}
    agree = await run("compare.yaml", tools, '{"agree": true}', a="ferry.txt", b="weather.txt")
    assert agree.output == {"agree": True, "detail": None}
    assert agree.ok


@pytest.mark.asyncio
async def test_graph(tmp_path: Path) -> None:
    build_graph(Tables(FOLDER / "films" / "edges.tsv", FOLDER / "films" / "nodes.tsv"), tmp_path / "films")
    graph = knowledge_graph(tmp_path / "films")

    def answer(messages: list[Any]) -> str:
        assert "Michael Mann" in str(messages[-1].content)
        return '{"answer": "Michael Mann", "known": true}'

    output: Any = (await run("graph.yaml", [graph], answer, question="Who directed Heat?")).to_json()["output"]
    assert output["answer"] == "Michael Mann"
    assert "Heat" in output["evidence"]["text"]
    assert output["evidence"]["source"]


@pytest.mark.asyncio
async def test_two_agents_talk(tools: list[Tool]) -> None:
    heard: list[str] = []

    def speak(messages: list[Any]) -> str:
        heard.append("\n".join(str(message.content) for message in messages))
        return "It is cancelled. <A>no</A>"

    output: Any = (await run("talk.yaml", tools, *[speak] * 8)).output
    assert output["why_it_ended"]
    assert any("gale" in text for text in heard) and any("twelve euros" in text for text in heard)
    assert not any("gale" in text and "twelve euros" in text for text in heard), "each knows one note only"


@pytest.mark.asyncio
async def test_approval(tools: list[Tool], tmp_path: Path, outbox: Path) -> None:
    async with Runtime(None, tools, journal=tmp_path / "runs.db") as rt:
        with pytest.raises(Parked) as parked:
            await rt.run(FOLDER / "approval.yaml", to="ann")
    (waiting,) = parked.value.waiting
    assert (waiting.task, waiting.question) == ("send", "Send the gale warning to ann?")
    assert sent(outbox) == ""
    async with Runtime(None, tools, journal=tmp_path / "runs.db") as rt:
        rt.approve(parked.value.run, "send", Verdict("yes"))
        result = await rt.resume(parked.value.run)
        again = await rt.resume(parked.value.run)
    assert isinstance(result, WorkflowResult) and isinstance(again, WorkflowResult)
    assert result.output == again.output == "sent to ann"
    assert sent(outbox).count("ann: A gale warning") == 1
    assert result.run_id == parked.value.run


def sent(outbox: Path) -> str:
    return outbox.read_text() if outbox.exists() else ""


def test_resume_after_a_crash(tmp_path: Path) -> None:
    archive = tmp_path / "archive.txt"
    first = agentrt("run", str(FOLDER / "resume.yaml"), folder=tmp_path, CRASH_AT="harbour.txt")
    assert first.returncode == 70
    assert archive.read_text() == "ferry.txt\n"
    second = agentrt("run", "--resume", only_run(tmp_path), folder=tmp_path)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)[2] == "weather.txt is archived"
    assert archive.read_text() == "ferry.txt\nharbour.txt\nweather.txt\n", "the first was not done again"


def test_a_crash_inside_a_nested_workflow_repeats_nothing(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(
        "agentrt: 1\nname: inner\ninputs: {to: string}\ntasks:\n"
        "  tell: {call: send, with: {to: '${inputs.to}', text: hello}}\n"
        "  keep: {call: archive, with: {name: harbour.txt}, after: tell}\noutput: ['${tell}', '${keep}']\n"
    )
    outer = tmp_path / "outer.yaml"
    outer.write_text(
        "agentrt: 1\nname: outer\ntasks:\n  inner: {run: inner.yaml, with: {to: ann}}\noutput: '${inner}'\n"
    )
    assert agentrt("run", str(outer), folder=tmp_path, CRASH_AT="harbour.txt").returncode == 70
    outer.unlink()  # the journal has its text
    second = agentrt("run", "--resume", only_run(tmp_path), folder=tmp_path)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == ["sent to ann", "harbour.txt is archived"]
    assert (tmp_path / "outbox.txt").read_text() == "ann: hello\n", "sent once"


def test_a_tool_that_vanished_between_runs_is_told(tmp_path: Path) -> None:
    agentrt("run", str(FOLDER / "resume.yaml"), folder=tmp_path, CRASH_AT="harbour.txt")
    (tmp_path / "other.py").write_text("from agentrt import tool\n@tool\ndef x() -> int:\n    return 1\n")
    second = agentrt("run", "--resume", only_run(tmp_path), folder=tmp_path, tools=str(tmp_path / "other.py"))
    assert second.returncode == 1
    assert "there is no tool called 'archive'" in second.stderr
    assert "Traceback" not in second.stderr


def agentrt(
    *arguments: str, folder: Path, tools: str = str(FOLDER / "tools.py"), **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agentrt.cli.main import main; main()", *arguments, "--tools", tools],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(FOLDER.parents[1]),
            "NO_COLOR": "1",
            "AGENTRT_HOME": str(folder / "home"),
            "AGENTRT_JOURNAL": str(folder / "runs.db"),
            "OUTBOX": str(folder / "outbox.txt"),
            "ARCHIVE": str(folder / "archive.txt"),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def only_run(folder: Path) -> str:
    """The id of the run that no step of another one began."""
    with SqliteJournal(folder / "runs.db", read_only=True) as journal:
        (run,) = [run.id for run in journal.runs() if "workflow" in run.head]
    return run
