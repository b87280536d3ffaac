"""Errors of reading traces.

AgentrtError
└── TraceError       what was given is no trace; the message says where and what would be one
"""

from __future__ import annotations

from agentrt.errors import AgentrtError


class TraceError(AgentrtError):
    """Events that cannot be read, or that do not make a run."""
