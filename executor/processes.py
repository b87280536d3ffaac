"""Calls in a process of their own, which is killed when they are cancelled or out of time.

For functions that hold the interpreter or ignore cancellation: a thread cannot be stopped, a process can.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import anyio.to_process


async def run_in_process(function: Callable[..., Any], arguments: Mapping[str, object]) -> object:
    """Runs `function` in a worker process; on cancellation the process is killed.

    Raises:
        TypeError: the function cannot be found by its name, as one that is defined inside another.
        Exception: what the function raised, or that something of it cannot be pickled.
    """
    module, name = function.__module__, function.__qualname__
    if "<" in name:
        raise TypeError(f"{name} runs in a process of its own and must be importable: define it at the top of a module")
    return await anyio.to_process.run_sync(_work, module, name, dict(arguments), cancellable=True)


def _work(module: str, name: str, arguments: dict[str, Any]) -> object:
    # The name is that of a function the parent process holds; nothing here comes out of a plan or a result.
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    # A decorator has put a tool where the function was.
    value = getattr(found, "function", found)(**arguments)
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Any) -> object:
    return await value
