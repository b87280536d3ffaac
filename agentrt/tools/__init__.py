"""Tools for plans: made from functions, from langchain-core, from documents, and a calculator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentrt.tools.calculation import calculator
    from agentrt.tools.decorator import FunctionTool, tool
    from agentrt.tools.documents import Passage
    from agentrt.tools.errors import (
        ArgumentError,
        CalculationError,
        DocumentError,
        NothingFound,
        SignatureError,
        ToolLoadError,
        ToolsError,
    )
    from agentrt.tools.knowledge_graph import Statements, knowledge_graph
    from agentrt.tools.langchain import from_langchain, to_langchain
    from agentrt.tools.loading import load_tools
    from agentrt.tools.passages import PassageIndex, passage_search

_HOMES = {
    "calculation": ("calculator",),
    "decorator": ("FunctionTool", "tool"),
    "documents": ("Passage",),
    "errors": (
        "ArgumentError",
        "CalculationError",
        "DocumentError",
        "NothingFound",
        "SignatureError",
        "ToolLoadError",
        "ToolsError",
    ),
    "knowledge_graph": ("Statements", "knowledge_graph"),
    "langchain": ("from_langchain", "to_langchain"),
    "loading": ("load_tools",),
    "passages": ("PassageIndex", "passage_search"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ArgumentError",
    "CalculationError",
    "DocumentError",
    "FunctionTool",
    "NothingFound",
    "Passage",
    "PassageIndex",
    "SignatureError",
    "Statements",
    "ToolLoadError",
    "ToolsError",
    "calculator",
    "from_langchain",
    "knowledge_graph",
    "load_tools",
    "passage_search",
    "to_langchain",
    "tool",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
