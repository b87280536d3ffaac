"""From a GGUF file to a checkpoint folder that vLLM reads.

The work is done by a child process (`gguf_checkpoint.py`): torch never enters this one, and the memory
is back when it ends. The folder appears under its name when it is complete, with a manifest. The GGUF
file stays, so another scheme needs no second download; `agentrt model path NAME` says where it all is.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentrt.serving import gguf_checkpoint
from agentrt.serving.catalogue import CatalogueEntry, Scheme
from agentrt.serving.child import Finished, run_child, script
from agentrt.serving.disk import disk_full, require_space
from agentrt.serving.errors import ConversionFailed, MissingPackage, ModelFilesError
from agentrt.serving.filelock import locked
from agentrt.serving.home import model_home
from agentrt.serving.probe import installed, pip_line
from agentrt.serving.progress import Progress, ProgressSink, no_progress
from agentrt.serving.pull import pull_entry

MANIFEST = "agentrt.json"
_BYTES_PER_WEIGHT = {"bf16": 2.3, "int8": 1.6, "int4": 1.2}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint folder was made from, and with.

    Attributes:
        name: Catalogue name.
        source_sha256: Hash of the GGUF file.
        scheme: How the weights are stored.
        context: Tokens to serve by default.
        versions: Packages that wrote it.
    """

    name: str
    source_sha256: str
    scheme: Scheme
    context: int
    versions: dict[str, str]


def checkpoint_path(entry: CatalogueEntry, scheme: Scheme) -> Path:
    """Where a model's checkpoint is, or will be."""
    return model_home(entry.name) / scheme


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder that `convert` wrote; None for any other."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_current(entry: CatalogueEntry, scheme: Scheme) -> bool:
    """Whether the checkpoint is there and made from the file the catalogue pins."""
    manifest = read_manifest(checkpoint_path(entry, scheme))
    return manifest is not None and manifest.source_sha256 == entry.gguf.sha256


async def convert(entry: CatalogueEntry, scheme: Scheme, *, progress: ProgressSink = no_progress) -> Path:
    """Make sure that a model's checkpoint folder is on this machine, pulling the model when needed.

    Args:
        entry: The model.
        scheme: How to store its weights.
        progress: Told about bytes while pulling and about steps while converting.

    Returns:
        The folder.

    Raises:
        ConversionFailed: The child process failed; the message has its last line.
        MissingPackage: torch, transformers, gguf or accelerate is not installed.
        DiskFull: There is no room for the folder.
        ModelFilesError: The file could not be pulled.
    """
    target = checkpoint_path(entry, scheme)
    if is_current(entry, scheme):
        return target
    gguf = await pull_entry(entry, progress=progress)

    def tell(line: str) -> None:
        step: dict[str, Any] = json.loads(line)
        text = f"{entry.name}: {step['text']}"
        progress(Progress("convert", text, float(step["done"]), float(step["total"]), "steps"))

    def wait() -> None:
        progress(Progress("convert", f"{entry.name}: waiting for another process", 0, None, "steps"))

    async with locked(target.with_name(f"{scheme}.lock"), on_wait=wait):
        if is_current(entry, scheme):
            return target
        require_space(
            target.parent, int(entry.parameters * _BYTES_PER_WEIGHT[scheme]), f"the checkpoint of {entry.name}"
        )
        partial = target.with_name(f"{scheme}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        worker = script(Path(gguf_checkpoint.__file__), str(gguf), str(partial), "--scheme", scheme)
        try:
            end = await run_child(worker, on_line=tell, env={"HF_HUB_OFFLINE": "1"})
            if end.status != 0:
                raise _why_not(entry, gguf, end)
            _write_manifest(entry, scheme, partial)
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return target


def _write_manifest(entry: CatalogueEntry, scheme: Scheme, folder: Path) -> None:
    versions = {package: installed(package) for package in ("torch", "transformers", "gguf")}
    manifest = Manifest(
        name=entry.name,
        source_sha256=entry.gguf.sha256,
        scheme=scheme,
        context=entry.served_context,
        versions={package: version for package, version in versions.items() if version is not None},
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2))


def _why_not(entry: CatalogueEntry, gguf: Path, end: Finished) -> MissingPackage | ModelFilesError:
    if end.status == gguf_checkpoint.MISSING_PACKAGE or "No module named" in end.last_line:
        return MissingPackage(
            f"Turning {gguf.name} into a checkpoint needs a package that is not installed ({end.last_line}). "
            f"Run: {pip_line('cpu')}"
        )
    if "No space left on device" in end.said:
        return disk_full(gguf.parent, f"writing the checkpoint of {entry.name} ran out of it")
    killed = " (killed; when nobody did it, the machine ran out of memory)" if end.status == -9 else ""
    return ConversionFailed(
        f"{gguf} could not be turned into a checkpoint: {end.last_line}{killed}. Try again with other programs "
        "closed, or give a checkpoint folder of your own."
    )
