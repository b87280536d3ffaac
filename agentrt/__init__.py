"""Plans of tool calls, written by a local language model, run in parallel the moment they can.

    from agentrt import Runtime, tool

Names are resolved when they are first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentrt.answer import Answer, Evidence, Timings
    from agentrt.errors import AgentrtError, NotOpen, UsageError
    from agentrt.runtime import Answered, Runtime
    from agentrt.tools import tool
    from executor import Plan, Retry, Task, Tool, ToolContext
    from planner import Usage

__all__ = [
    "AgentrtError",
    "Answer",
    "Answered",
    "Evidence",
    "NotOpen",
    "Plan",
    "Retry",
    "Runtime",
    "Task",
    "Timings",
    "Tool",
    "ToolContext",
    "Usage",
    "UsageError",
    "tool",
]

_HOMES = {
    "agentrt.answer": ("Answer", "Evidence", "Timings"),
    "agentrt.errors": ("AgentrtError", "NotOpen", "UsageError"),
    "agentrt.runtime": ("Answered", "Runtime"),
    "agentrt.tools": ("tool",),
    "planner": ("Usage",),
    "executor": ("Plan", "Retry", "Task", "Tool", "ToolContext"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'agentrt' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
