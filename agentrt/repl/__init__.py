"""The interactive prompt: questions, commands, runs one watches and can stop."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentrt.repl.loop import run_repl
    from agentrt.repl.options import ReplOptions

_HOME_OF = {"ReplOptions": "options", "run_repl": "loop"}

__all__ = ["ReplOptions", "run_repl"]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
