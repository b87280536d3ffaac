"""Who may import whom. The rules are those of docs/architecture.md; the source is read, nothing is imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("executor", "planner", "kg_rag", "multiagent", "agentrt")
OURS = {*ROOMS, "tests", "examples", "benchmarks"}

# The longest prefix of a module's name decides. Every room may import itself.
MAY_IMPORT: dict[str, set[str]] = {
    "executor": set(),
    "planner": {"executor"},
    "kg_rag": set(),
    "multiagent": set(),
    "agentrt": {"executor", "planner", "kg_rag", "multiagent"},
    "agentrt.serving": set(),
}
HEAVY = ("torch", "vllm", "transformers", "trl", "peft", "ray", "datasets", "openai", "networkx")


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def rule_of(module: str) -> str:
    return max((room for room in MAY_IMPORT if inside(module, room)), key=len)


def imported(source: str, module: str, *, is_package: bool = False) -> set[str]:
    """Every module of ours that `source` names in an import, at any depth, by statement or by `import_module`."""
    package = module if is_package else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and node.args
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
        ):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names.add(first.value)
    return {name for name in names if name.partition(".")[0] in OURS}


def forbidden(module: str, names: set[str]) -> list[str]:
    """Those of `names` that `module` must not import."""
    own = rule_of(module)
    allowed = {own, *MAY_IMPORT[own]}
    # The code around agentrt.serving may use it; agentrt.serving may not use the code around it.
    return sorted(name for name in names if not any(inside(name, room) for room in allowed))


def modules() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return {
        module: imported(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py")
        for module, path in modules()
    }


def test_every_import_is_allowed(imports: dict[str, set[str]]) -> None:
    wrong = {module: found for module, names in imports.items() if (found := forbidden(module, names))}
    assert not wrong


def test_no_circle_runs_through_two_rooms(imports: dict[str, set[str]]) -> None:
    circles = [circle for circle in circles_of(imports) if len({neighbourhood(name) for name in circle}) > 1]
    assert not circles


def circles_of(imports: dict[str, set[str]]) -> list[list[str]]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for module, names in imports.items():
        # `from package.module import name` is an edge to the module, whose name is the longest known prefix.
        for name in names:
            known = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]
            if target := next((candidate for candidate in known if candidate in imports), None):
                graph.add_edge(module, target)
    return [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1]


def neighbourhood(module: str) -> str:
    """The room a module lives in; the folders of agentrt count as rooms of their own."""
    parts = module.split(".")
    if parts[0] != "agentrt" or not (ROOT / "agentrt" / "".join(parts[1:2])).is_dir():
        return parts[0]
    return ".".join(parts[:2])


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("executor.run", "import planner", ["planner"]),
        ("executor.run", "import planner.reader as r", ["planner.reader"]),
        ("executor.run", "def f():\n    from agentrt.trace import page", ["agentrt.trace.page"]),
        ("executor.run", "if TYPE_CHECKING:\n    from kg_rag import Graph", ["kg_rag.Graph"]),
        ("executor.run", "import importlib\nimportlib.import_module('tests.fake')", ["tests.fake"]),
        ("executor.run", "from executor.plan import Task\nimport anyio, json", []),
        ("planner.writer", "from executor import Plan", []),
        ("planner.writer", "from multiagent import Agent", ["multiagent.Agent"]),
        ("kg_rag.graph", "from executor import Tool", ["executor.Tool"]),
        ("multiagent.agent", "import kg_rag", ["kg_rag"]),
        ("agentrt.serving.server", "from agentrt.errors import AgentrtError", ["agentrt.errors.AgentrtError"]),
        ("agentrt.serving.server", "from .. import errors", ["agentrt.errors"]),
        ("agentrt.serving.server", "from .errors import ServingError", []),
        ("agentrt.runtime", "from agentrt.serving import open_model\nimport planner", []),
        ("agentrt.runtime", "import benchmarks.report", ["benchmarks.report"]),
    ],
)
def test_the_rules_catch_what_they_are_for(module: str, source: str, wrong: list[str]) -> None:
    assert forbidden(module, imported(source, module)) == wrong


def test_circles_are_found() -> None:
    circle = {"planner.a": {"executor.b.Name"}, "executor.b": {"planner.a"}, "executor.c": {"executor.b"}}
    assert circles_of(circle) == [["executor.b", "planner.a"]]


@pytest.mark.parametrize("package", ["agentrt", "executor", "planner", "kg_rag", "multiagent"])
def test_importing_a_room_stays_light(package: str) -> None:
    code = f"import sys, {package}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(done.stdout.split()) & set(HEAVY)
