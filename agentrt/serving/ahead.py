"""Starting a model's server before the program that wants it has read its tools and imported its libraries."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from agentrt.serving.errors import ServingError


@asynccontextmanager
async def starting(spec: str | Path) -> AsyncGenerator[None]:
    """The server of a model that is opened within the block, by its name and with the settings of this machine.

    The block begins when the server's process is there, or at once where none will be: at a URL, or where the model
    has to be fetched first. Whatever keeps the server from starting is said to who opens the model, not here.

    Args:
        spec: as `open_model` takes it.
    """
    failed: Exception | None = None
    launched = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(_hold, spec, launched)
        await launched.wait()
        try:
            yield
        except Exception as error:
            # Kept out of the group, which would wrap it.
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed


async def _hold(spec: str | Path, launched: anyio.Event) -> None:
    from agentrt.serving.server import shared_server

    try:
        command = await _command_for(spec)
        if command is not None:
            async with shared_server(command, progress=lambda _progress: launched.set()):
                await anyio.sleep_forever()
    except ServingError:
        return
    finally:
        launched.set()


async def _command_for(spec: str | Path) -> Any:
    """What serves a model that needs nothing but to be started; None for any other."""
    from agentrt.serving.catalogue import CATALOGUE, lookup
    from agentrt.serving.command import vllm_command
    from agentrt.serving.convert import is_current
    from agentrt.serving.defaults import serving_defaults
    from agentrt.serving.local_model import served_folder
    from agentrt.serving.probe import default_device

    if str(spec).strip().lower() not in CATALOGUE:
        return None
    entry = lookup(str(spec))
    if not is_current(entry, serving_defaults(entry, default_device()).scheme):
        return None
    served = await served_folder(spec)
    return vllm_command(served.folder, served.name, served.settings)
