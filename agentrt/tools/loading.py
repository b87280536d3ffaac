"""Tools from what a person wrote after `--tools`.

    tools.py                 a Python file: its `tools` list, or every tool at its top level
    my_package.tools         the same for an importable module
    notes/  wiki.jsonl       documents: a folder, or a .json or .jsonl file, becomes a passage search
    graphs/my-graph/         the folder of a knowledge graph, as `agentrt kg build` makes it

The value comes from the command line, as a program's own file name does. Nothing that a model, a plan or a
workflow file wrote may be passed here: reading a Python file runs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from agentrt.tools.documents import JSON_SUFFIXES, TEXT_SUFFIXES
from agentrt.tools.errors import DocumentError, SignatureError, ToolLoadError
from executor import Tool

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
_EXAMPLE = '''a tool looks like this:

    from agentrt import tool

    @tool(effect="pure")
    async def search(title: str) -> str:
        """Finds a page by its title."""
        ...'''


def load_tools(spec: str) -> list[Tool]:
    """The tools that `spec` names; see the module's docstring for the forms.

    Args:
        spec: from the user's own command line or code, never from data.

    Raises:
        ToolLoadError: no such file or module, an error while importing it (with its line), documents that
            cannot be read, or no tools in it.
    """
    if not spec.strip():
        raise ToolLoadError("there is no file, folder or module with an empty name; say where the tools are")
    path = Path(spec).expanduser()
    suffix = path.suffix.lower()
    if (path / "CURRENT").is_file():
        return [_graph(path)]
    if path.is_dir() or (path.exists() and suffix in JSON_SUFFIXES | TEXT_SUFFIXES):
        return [_documents(path)]
    if suffix == ".py":
        return _collect(_from_file(path), str(path))
    if path.exists():
        kinds = ", ".join(sorted(JSON_SUFFIXES | TEXT_SUFFIXES))
        raise ToolLoadError(f"{path}: tools come from a .py file, a module, a folder of texts, or a {kinds} file")
    if not _MODULE.match(spec) or suffix in JSON_SUFFIXES | TEXT_SUFFIXES:
        raise ToolLoadError(f"{path}: there is no such file or folder (looked in {Path.cwd()})")
    return _collect(_from_module(spec), spec)


def _documents(path: Path) -> Tool:
    from agentrt.tools.passages import PassageIndex, passage_search

    try:
        return passage_search(PassageIndex.from_path(path))
    except DocumentError as error:
        raise ToolLoadError(str(error)) from error


def _graph(path: Path) -> Tool:
    from agentrt.tools.knowledge_graph import knowledge_graph
    from kg_rag import KnowledgeGraphError

    try:
        return knowledge_graph(path)
    except KnowledgeGraphError as error:
        raise ToolLoadError(str(error)) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ToolLoadError(f"{path}: there is no such file (looked in {Path.cwd()})")
    resolved = path.resolve()
    # Pydantic and dataclasses look the module of a class up by name; the path keeps two `tools.py` apart.
    name = f"agentrt_tools_{resolved.stem}_{abs(hash(resolved)):x}"
    found = importlib.util.spec_from_file_location(name, resolved)
    assert found is not None and found.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(found)
    folder = str(resolved.parent)
    if folder not in sys.path:  # its neighbours, as for `python tools.py`, but shadowing nothing
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ToolLoadError(_import_problem(error, resolved)) from error
    return module


def _from_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # a console script, unlike `python -m`, does not look here
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            message = f"there is no module {error.name!r}, nor a file or folder called {name!r}"
            raise ToolLoadError(f"{message} (looked in {here} and where Python's packages are)") from None
        raise ToolLoadError(_import_problem(error, None)) from error
    except (Exception, SystemExit) as error:
        raise ToolLoadError(_import_problem(error, None)) from error


def _import_problem(error: BaseException, file: Path | None) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}:{error.offset}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    own = [frame for frame in frames if file is None or Path(frame.filename) == file]
    where = f"{own[-1].filename}:{own[-1].lineno}: " if own else f"{file}: " if file else ""
    if isinstance(error, SignatureError):
        return f"{where}{error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{where}it imports {error.name!r}, which is not installed"
    return f"{where}{type(error).__name__} while importing it: {error}"


def _is_users(filename: str) -> bool:
    return "importlib" not in filename and Path(filename).parent != Path(__file__).parent


def _collect(module: ModuleType, shown: str) -> list[Tool]:
    named: object = getattr(module, "tools", None)
    if isinstance(named, Iterable) and not isinstance(named, str | bytes | ModuleType):
        tools = [_as_tool(item, f"{shown}: tools[{index}]") for index, item in enumerate(cast(Iterable[object], named))]
    else:
        tools = [item for item in vars(module).values() if isinstance(item, Tool)]
    unique = list({id(item): item for item in tools}.values())
    if not unique:
        raise ToolLoadError(f"{shown}: there is no tool in it; {_EXAMPLE}")
    names = [item.name for item in unique]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ToolLoadError(f"{shown}: two tools are called {twice!r}; give one of them another name=…")
    return unique


def _as_tool(item: Any, where: str) -> Tool:
    if isinstance(item, Tool):
        return item
    if "langchain_core.tools" in sys.modules:
        from langchain_core.tools import BaseTool

        from agentrt.tools.langchain import from_langchain

        if isinstance(item, BaseTool):
            return from_langchain(item)
    raise ToolLoadError(f"{where} is {type(item).__name__}, not a tool; {_EXAMPLE}")
