"""Every workflow in `examples/workflows` runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrt import Runtime, Tool
from agentrt.tools import load_tools
from agentrt.tools.knowledge_graph import knowledge_graph
from agentrt.workflows import WorkflowResult
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

    output: Any = (await run("graph.yaml", [graph], answer, question="Who directed Heat?")).output
    assert output["answer"] == "Michael Mann"
    assert "Heat" in output["evidence"]


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
