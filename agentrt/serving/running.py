"""The servers that run on this machine now: what `agentrt model ps`, `stop`, `logs` and `stats` look at."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from agentrt.serving import server_log
from agentrt.serving.errors import SettingsRefused
from agentrt.serving.filelock import is_locked, wait_for_lock
from agentrt.serving.home import servers_home


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is up, or coming up.

    Attributes:
        model: The model's name in requests.
        base_url: Its OpenAI-compatible root, ending in `/v1`.
        api_key: The key it asks for.
        started: Unix time of its start.
        ready: Whether it has answered somebody.
        crashes: How often it was started again.
        speculation: How it drafts, as vLLM calls it; `off` without.
        folder: Where its state and its log are.
    """

    model: str
    base_url: str
    api_key: str
    started: float
    ready: bool
    crashes: int
    speculation: str
    folder: Path

    @property
    def id(self) -> str:
        """Short and unique: it stands for the model and everything it is served with."""
        return self.folder.name.rpartition("-")[2]

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "server.log"

    @property
    def stage(self) -> str:
        """What it does, in a few words."""
        return "ready" if self.ready else server_log.stage(self.log)

    def to_json(self) -> dict[str, Any]:
        """Everything but the key, as JSON data."""
        return {
            "id": self.id,
            "model": self.model,
            "base_url": self.base_url,
            "stage": self.stage,
            "seconds": time.time() - self.started,
            "crashes": self.crashes,
            "speculation": self.speculation,
            "folder": str(self.folder),
        }


def running_servers() -> list[Running]:
    """Every server of this user that is up or coming up, by name, then by start."""
    return sorted(_living(), key=lambda server: (server.model, server.started))


def find_server(name: str | None) -> Running:
    """The one running server of a model, or the only one there is.

    Args:
        name: The model's name, or the server's id, which tells servers of one model apart.

    Raises:
        SettingsRefused: There is none, or more than one; the message lists what runs.
    """
    everything = running_servers()
    found = [one for one in everything if name is None or name in (one.model, one.id, one.folder.name)]
    if len(found) == 1:
        return found[0]
    what = "No server runs" if not found else "More than one server runs"
    listed = ", ".join(f"{one.model} ({one.id})" for one in found or everything)
    hint = f"There are: {listed}. Give a name or an id." if listed else "Start one: agentrt model serve NAME"
    raise SettingsRefused(f"{what}{f' for {name}' if name else ''}. {hint}")


async def stop_server(server: Running, *, patience: float = 15.0) -> bool:
    """End a server, whoever uses it, and wait until it has; False when it has not within `patience` seconds."""
    alive = server.folder / "alive"
    with suppress(OSError, ValueError):
        os.kill(int(alive.read_text()), signal.SIGTERM)
    with anyio.move_on_after(patience):
        os.close(await wait_for_lock(alive))
        return True
    return False


def _living() -> Iterator[Running]:
    home = servers_home()
    for folder in home.iterdir() if home.is_dir() else ():
        if not is_locked(folder / "alive"):
            continue
        # A server that is just being stopped has no launch.json any more.
        with suppress(OSError, ValueError, KeyError):
            launch: dict[str, Any] = json.loads((folder / "launch.json").read_text())
            yield Running(
                model=launch["model"],
                base_url=f"http://127.0.0.1:{launch['port']}/v1",
                api_key=launch["key"],
                started=float(launch["started"]),
                ready=(folder / "ready").exists(),
                crashes=_crashes(folder),
                speculation=_speculation(launch["arguments"]),
                folder=folder,
            )


def _crashes(folder: Path) -> int:
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads((folder / "crash.json").read_text())["number"])
    return 0


def _speculation(arguments: Sequence[str]) -> str:
    if "--speculative-config" not in arguments:
        return "off"
    config: dict[str, Any] = json.loads(arguments[arguments.index("--speculative-config") + 1])
    return f"{config.get('method', 'draft')}:{config.get('num_speculative_tokens', '')}".rstrip(":")
