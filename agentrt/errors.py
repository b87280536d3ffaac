"""Errors of the runtime itself. Each room has a tree of its own.

AgentrtError
├── NotOpen          a Runtime used outside `async with`
└── UsageError       a call or command that cannot mean anything as it was given
"""

from __future__ import annotations


class AgentrtError(Exception):
    """Root of the runtime's own errors."""


class NotOpen(AgentrtError):
    """A `Runtime` was used before `async with` opened it or after it closed it."""

    def __init__(self) -> None:
        super().__init__("the runtime is not open; use it as `async with Runtime(...) as rt: await rt.ask(...)`")


class UsageError(AgentrtError):
    """What was asked for cannot be done as asked; the message says what to change."""
