"""The first source: the model hub, over plain HTTPS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import anyio

from agentrt.serving import fetch
from agentrt.serving.catalogue import CatalogueEntry
from agentrt.serving.child import run_child, script
from agentrt.serving.disk import disk_full

PATIENCE = 5.0
"""Seconds within which the hub must have sent its first byte."""


class Tell(Protocol):
    """How a source reports: a few words, and the bytes it has."""

    def __call__(self, text: str, done: int) -> None: ...


async def fetch_file(entry: CatalogueEntry, partial: Path, tell: Tell) -> str | None:
    """Fetch the entry's file from the hub, going on where an earlier attempt stopped.

    `HF_ENDPOINT` names another hub; `HF_HUB_OFFLINE` says that there is none.

    Returns:
        None when the file is whole, else why it is not, in words.

    Raises:
        DiskFull: The disk filled up while writing.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return "HF_HUB_OFFLINE is set"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    gguf = entry.gguf
    url = f"{endpoint}/{gguf.repo}/resolve/{quote(gguf.revision)}/{quote(gguf.file)}"
    before = _size(partial)
    tell("asking the hub", before)

    silent = False
    with anyio.CancelScope() as waiting:
        started = anyio.current_time()

        def tick() -> None:
            nonlocal silent
            now = _size(partial)
            if now > before:
                tell("from the hub", now)
            elif anyio.current_time() - started > PATIENCE - 0.5:
                silent = True
                waiting.cancel()

        end = await run_child(script(Path(fetch.__file__), url, str(partial)), tick=tick)
        if end.status == fetch.WHOLE:
            return None
        if end.status == fetch.DISK_FULL:
            raise disk_full(partial.parent, f"fetching {entry.name} stopped at {_size(partial):,} bytes")
        return f"the hub did not deliver ({end.last_line})"
    assert silent
    return f"the hub {endpoint} sent nothing within {PATIENCE:.0f} s"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
