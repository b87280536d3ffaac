"""The graph as a tool and as commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from typer.testing import CliRunner

from agentrt.cli.kg import app
from agentrt.cli.kg_show import schema_from
from agentrt.errors import UsageError
from agentrt.tools import ToolLoadError, load_tools
from agentrt.tools.knowledge_graph import knowledge_graph


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_tool_is_pure_and_gives_evidence(small_path: Path) -> None:
    tool = knowledge_graph(small_path)
    assert tool.effect == "pure"
    found = tool.function(question="What does Loxapine bind?")
    assert found.text.startswith("[E1] Loxapine binds HTR2C.")
    assert (found.title, found.names) == ("small", ["HTR2C"])
    assert found.source.startswith("1, ")
    nothing = tool.function(question="quantum chromodynamics")
    assert "nothing" in nothing.text
    assert nothing.names == []


def test_the_command_line_takes_a_graph_as_a_tool(small_path: Path, tmp_path: Path) -> None:
    (tool,) = load_tools(str(small_path))
    assert tool.name == "knowledge_graph"
    (tmp_path / "CURRENT").write_text("gone")
    with pytest.raises(ToolLoadError, match="corrupt"):
        load_tools(str(tmp_path))


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTRT_HOME", str(tmp_path))
    example = Path(__file__).parents[2] / "examples" / "knowledge_graph.py"
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "Prednisone" in done.stdout
    assert "PharmacotherapyDB; CC0 1.0" in done.stdout


def test_commands_give_json(small_path: Path) -> None:
    graph = ("--graph", str(small_path), "--json")
    assert json.loads(run("link", "Loxapnie", *graph))["candidates"][0]["id"] == "C:1"
    assert json.loads(run("info", *graph))["version"] == "1"
    assert json.loads(run("neighbours", "C:1", "--type", "treats", *graph))[0]["target"] == "lung cancer"
    assert [row["type"] for row in json.loads(run("path", "D:1", "T:1", *graph))] == ["treats", "binds", "up"]
    assert json.loads(run("ask", "What does Loxapine bind?", *graph))["evidence"][0].startswith("[E1] Loxapine")
    assert json.loads(run("diff", str(small_path), str(small_path), "--json"))["renamed"] == {}


def test_pictures(small_path: Path, tmp_path: Path) -> None:
    assert run("subgraph", "Loxapine", "--graph", str(small_path), "--dot").startswith("digraph")
    run("subgraph", "Loxapine", "--graph", str(small_path), "--svg", str(tmp_path / "x.svg"))
    assert (tmp_path / "x.svg").read_text().startswith("<svg")


def test_build_and_ask(tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text("subject\tpredicate\tobject\ncolchicine\ttreats\tgout\n")
    run("build", str(tmp_path / "g"), "--edges", str(tmp_path / "e.tsv"))
    assert "colchicine treats gout." in run("ask", "What treats gout?", "--graph", str(tmp_path / "g"))


def test_the_terminal_gets_no_control_characters(small_path: Path) -> None:
    assert "\x1b" not in run("neighbours", "X:1", "--graph", str(small_path))


def test_the_command_line_knows_kg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from agentrt.cli.main import main

    monkeypatch.setattr("sys.argv", ["agentrt", "kg", "ask", "anything", "--graph", "no-such-graph/at-all"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no graph at no-such-graph/at-all")
    assert "agentrt kg build" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build", "x"), "--edges, --neo4j, --facts or --base"),
        (("build", "x", "--facts", "gone.jsonl"), "agentrt kg extract"),
        (("extract", "gone.txt", "--schema", "s.json", "--facts", "f.jsonl"), "cannot be read as text"),
        (("ask", "x", "--mentions", "model"), "--model"),
        (("ask", "x", "--conflict", "toss"), "context, rcr or scr"),
        (("neighbours", "C:1", "--type", "bind", "--graph", "GRAPH"), "it has binds"),
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...], message: str, small_path: Path) -> None:
    given = [str(small_path) if one == "GRAPH" else one for one in arguments]
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(app, given, catch_exceptions=False)


@pytest.mark.parametrize("text", ["", "[]", '{"relations": 3}', '{"relations": {"a": 1}}'])
def test_what_is_no_schema(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(UsageError, match="is no schema"):
        schema_from(tmp_path / "s.json")


def test_extract_build_and_suggest(small_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"triples": [{"subject": "Loxapine", "relation": "treats", "object": "gout"}]}

    @asynccontextmanager
    async def scripted(*_: object, **__: object) -> AsyncIterator[FakeListChatModel]:
        yield FakeListChatModel(responses=[json.dumps(said)])

    monkeypatch.setattr("agentrt.serving.open_model", scripted)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("Loxapine treats gout. The weather is fine.")
    (tmp_path / "schema.json").write_text('{"relations": {"treats": {"label": "treats"}}}')
    facts, notes = str(tmp_path / "facts.jsonl"), str(tmp_path / "notes")
    schema = str(tmp_path / "schema.json")
    run("extract", notes, "--schema", schema, "--facts", facts, "--graph", str(small_path))
    run("build", str(tmp_path / "g"), "--base", str(small_path), "--facts", facts, "--licence", "CC0 1.0")
    answer = run("ask", "What treats gout?", "--graph", str(tmp_path / "g"))
    assert f"Loxapine treats gout. ({notes}/a.md; NLP; CC0 1.0)" in answer.replace("\n", "")
    left = json.loads(run("suggest", notes, "--facts", facts, "--json"))
    assert [row["text"] for row in left] == ["The weather is fine."]


def test_what_the_graph_lacks_is_said(small_path: Path) -> None:
    assert 'no "treats" statement about Leucovorin' in run(
        "ask", "What does Leucovorin treat?", "--graph", str(small_path)
    )
    assert "HTR2C" not in run("ask", "What does Loxapine bind?", "--graph", str(small_path), "--licence", "CC0")
    assert "HTR2C" in run("ask", "What does Loxapine bind?", "--graph", str(small_path), "--evidence", "3")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_million_edges_in_two_gigabytes(tmp_path: Path) -> None:
    script = """
import resource, sys
from kg_rag import EdgeRecord, NodeRecord, build_graph
from kg_rag.store.sources.port import GraphSource
class Many(GraphSource):
    def nodes(self):
        return (NodeRecord(f"n{at}", f"node {at}") for at in range(200_000))
    def edges(self):
        return (EdgeRecord(f"n{at % 200_000}", "r", f"n{at * 7919 % 200_000}") for at in range(10_000_000))
info = build_graph(Many(), sys.argv[1])
print(info.edges, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "g")]
    edges, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(edges) == 10_000_000
    assert int(megabytes) < 2048
