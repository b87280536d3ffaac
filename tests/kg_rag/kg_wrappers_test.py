"""The graph as a tool and as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentrt.cli.kg import app
from agentrt.tools.knowledge_graph import knowledge_graph


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_tool_is_pure_and_gives_evidence(small_path: Path) -> None:
    tool = knowledge_graph(small_path)
    assert tool.effect == "pure"
    assert tool.function(question="What does Loxapine bind?").startswith("[E1] Loxapine binds HTR2C.")
    assert "nothing" in tool.function(question="quantum chromodynamics")


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


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_million_edges_in_two_gigabytes(tmp_path: Path) -> None:
    import subprocess
    import sys

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
