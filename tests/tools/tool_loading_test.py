from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentrt.tools import ToolLoadError, load_tools

_TOOL = 'from agentrt.tools import tool\n\n@tool(effect="pure")\nasync def {0}(x: str) -> str:\n    return x\n\n'


@pytest.fixture(autouse=True)
def _import_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("agentrt_tools_", "my_", "broken_")):
            del sys.modules[name]


def test_a_python_file(tmp_path: Path) -> None:
    (tmp_path / "my_neighbour.py").write_text("NAME = 'b'")
    file = tmp_path / "my_tools.py"
    file.write_text(
        "from __future__ import annotations\nfrom pydantic import BaseModel\nfrom my_neighbour import NAME\n"
        + _TOOL.format("a")
        + "class Model(BaseModel):\n    x: int\n\n@tool(name=NAME)\ndef named(model: Model) -> str: ...\nagain = a\n"
    )
    assert [tool.name for tool in load_tools(str(file))] == ["a", "b"]


def test_a_list_called_tools_decides(tmp_path: Path) -> None:
    file = tmp_path / "my_list.py"
    file.write_text(
        _TOOL.format("a")
        + _TOOL.format("b")
        + "from langchain_core.tools import tool as lc\n\n@lc\ndef c(x: str) -> str:\n    'C.'\n    return x\n"
        + "tools = [b, c]\n"
    )
    assert [tool.name for tool in load_tools(str(file))] == ["b", "c"]


def test_a_module_found_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "extra.py").write_text(_TOOL.format("a"))
    monkeypatch.chdir(tmp_path)
    assert [tool.name for tool in load_tools("my_package.extra")] == ["a"]
    assert [tool.name for tool in load_tools("agentrt.tools.calculation")] == ["calculator"]


def test_documents_become_a_search(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Ed Wood\nAmerican.")
    (tmp_path / "a.jsonl").write_text('{"title": "A", "text": "a"}')
    assert [tool.name for tool in load_tools(str(tmp_path))] == ["search"]
    assert load_tools(str(tmp_path / "a.jsonl"))[0].function(query="a").title == "A"


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("a.py", "x = 1\nimport no_such_thing\n", r"a\.py:2: it imports 'no_such_thing'"),
        ("a.py", "x = (1\n", r"a\.py:1:5: '\(' was never closed"),
        ("a.py", "def f():\n    return 1 / 0\n\nf()\n", r"a\.py:2: ZeroDivisionError"),
        ("a.py", "raise SystemExit(0)\n", r"a\.py:1: SystemExit"),
        ("a.py", "x = 1\n", "(?s)no tool in it.*@tool"),
        ("a.py", "tools = []\n", "no tool in it"),
        ("a.py", "tools = [3]\n", r"tools\[0\] is int"),
        ("a.py", _TOOL.format("a").replace("x:", "*x:"), r"a\.py:\d: a cannot be a tool: \*x"),
        ("a.py", _TOOL.format("a") + "b = a\n" + _TOOL.format("a"), "two tools are called 'a'"),
        ("a.json", "[3]", r"a\.json: item 0"),
        ("a.csv", "1,2", "tools come from"),
    ],
)
def test_errors_say_where_and_what_next(tmp_path: Path, name: str, source: str, problem: str) -> None:
    (tmp_path / name).write_text(source)
    with pytest.raises(ToolLoadError, match=problem):
        load_tools(str(tmp_path / name))


@pytest.mark.parametrize("spec", ["none.py", "none/", "none.json", "my_none", "os.none", "", "a b"])
def test_nothing_there(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolLoadError, match="there is no"):
        load_tools(spec)


def test_a_module_that_breaks_while_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_tools.py").write_text("x = 1\n\nraise OSError('no disk')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolLoadError, match=r"broken_tools\.py:3: OSError while importing it: no disk"):
        load_tools("broken_tools")
