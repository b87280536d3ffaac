"""How a failed command ends: one paragraph on stderr, and an exit code (1; 2 for usage)."""

from __future__ import annotations

import sys
from typing import cast

from agentrt.errors import AgentrtError, UsageError

# Looked up only where already imported: a tree that was never loaded cannot have been raised.
_ROOTS = (
    ("executor.errors", "ExecutorError"),
    ("planner.errors", "PlannerError"),
    ("agentrt.serving.errors", "ServingError"),
    ("agentrt.serving.rsd.errors", "RSDError"),
    ("agentrt.tools.errors", "ToolsError"),
    ("kg_rag.errors", "KnowledgeGraphError"),
    ("multiagent.errors", "MultiagentError"),
)


def explain(error: Exception) -> str:
    """What to tell the user about `error`."""
    error = innermost(error)
    if isinstance(error, _ours()):
        return f"error: {error}"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"error: something unforeseen went wrong ({what}). Run it again as `agentrt --debug …` to see where."


def exit_code(error: Exception) -> int:
    """2 where the command was used wrongly, else 1."""
    return 2 if isinstance(innermost(error), UsageError) else 1


def innermost(error: Exception) -> Exception:
    """The one exception inside nested groups of one; a larger group as it is."""
    while isinstance(error, ExceptionGroup):
        inner: list[Exception] = [*error.exceptions]  # pyright: ignore[reportUnknownMemberType]
        if len(inner) != 1:
            break
        error = inner[0]
    return cast(Exception, error)


def _ours() -> tuple[type[Exception], ...]:
    roots = [getattr(sys.modules[module], name) for module, name in _ROOTS if module in sys.modules]
    return (AgentrtError, *roots)
