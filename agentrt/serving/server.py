"""One model server for everybody on this machine who wants the same model with the same settings.

`shared_server` finds or starts it, waits until it answers, and lets go of it at the end. Who starts it,
who keeps it alive and who stops it is agreed on with file locks in one folder (see `supervisor.py`), so
that it holds across processes and survives nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from agentrt.serving import server_log, supervisor
from agentrt.serving.child import script
from agentrt.serving.command import ServerCommand
from agentrt.serving.errors import ServerStartFailed, ServerStartTimeout
from agentrt.serving.filelock import is_locked, locked, try_lock, wait_for_lock
from agentrt.serving.home import servers_home
from agentrt.serving.http_probe import http_status
from agentrt.serving.progress import Progress, ProgressSink, no_progress
from agentrt.serving.settings import Patience

_ASK_EVERY = 0.25
_PORT_ATTEMPTS = 3
_HEARSAY = 5.0
# A request that fails this many seconds after a crash failed because of it.
_RECENT = 30.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers.

    Attributes:
        base_url: Its OpenAI-compatible root, ending in `/v1`.
        api_key: The key it asks for; made for this start.
        model: The model's name in requests.
        folder: Where its state and its log are.
    """

    base_url: str
    api_key: str
    model: str
    folder: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    def obituary(self) -> str | None:
        """Why the server is dead, in words, with its last lines; None while it lives.

        Blocks for up to five seconds: a connection is lost some moments before the supervisor knows why.
        """
        until = time.monotonic() + _HEARSAY
        while is_locked(self.folder / "alive") and self._is_current():
            crash = _crash(self.folder)
            if crash is not None and time.time() - crash["time"] < _RECENT:
                log = self.folder / "crash.log"
                how = _how_it_ended(int(crash["status"]))
                return f"{how}; last words: {server_log.last_words(log)}. Its log: {log}. It is being started again."
            if time.monotonic() > until:
                return None
            time.sleep(0.05)
        return _obituary(self.folder)

    def revived(self) -> bool:
        """Whether the server answers again, after a crash; blocks until it does or has ended for good."""
        return anyio.run(self._answers_again)

    async def _answers_again(self) -> bool:
        while is_locked(self.folder / "alive") and self._is_current():
            if await http_status(f"{self.base_url}/models", self.api_key) == 200:
                (self.folder / "ready").touch()
                return True
            await anyio.sleep(_ASK_EVERY)
        return False

    def _is_current(self) -> bool:
        """Whether the folder still is about this start and not about a later one, of somebody else."""
        try:
            return json.loads((self.folder / "launch.json").read_text())["key"] == self.api_key
        except (OSError, ValueError, KeyError):
            return False


@asynccontextmanager
async def shared_server(
    command: ServerCommand, *, patience: Patience | None = None, progress: ProgressSink = no_progress
) -> AsyncGenerator[RunningServer]:
    """Use the server that runs `command`; start it when nobody has.

    Args:
        command: What to run. Equal commands share one server.
        patience: Time limits, and how long the server stays after its last user.
        progress: Told about the start, in seconds.

    Yields:
        The server, once it answers with its key.

    Raises:
        ServerStartFailed: It ended before it answered; the message has its last words.
        ServerStartTimeout: It did not answer in time. It is stopped if nobody else waits for it.
    """
    patience = patience or Patience()
    folder = _folder_of(command)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Taken before the server is started and held to the end: the supervisor never sees an empty lease
    # while somebody still waits for the start.
    lease = await wait_for_lock(folder / "lease", shared=True)
    try:
        yield await _running(command, folder, patience, progress)
        if patience.linger > 0:
            (folder / "linger").write_text(str(time.time() + patience.linger))
    finally:
        os.close(lease)


async def _running(command: ServerCommand, folder: Path, patience: Patience, progress: ProgressSink) -> RunningServer:
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        async with locked(folder / "start.lock"):
            server = await _join_or_launch(command, folder, patience)
        try:
            await _answering(server, patience, progress)
        except ServerStartFailed:
            if attempt < _PORT_ATTEMPTS and server_log.port_was_taken(server.log):
                continue
            raise
        return server
    raise AssertionError("unreachable")


async def _join_or_launch(command: ServerCommand, folder: Path, patience: Patience) -> RunningServer:
    for _ in range(4):
        alive = try_lock(folder / "alive")
        if alive is not None:
            break
        # Somebody who only looks whether it is locked holds it for microseconds.
        await anyio.sleep(0.05)
    else:
        return _described(command, folder)
    try:
        await _launch(command, folder, alive, patience)
    finally:
        os.close(alive)
    return _described(command, folder)


def _described(command: ServerCommand, folder: Path) -> RunningServer:
    launch = json.loads((folder / "launch.json").read_text())
    return RunningServer(f"http://127.0.0.1:{launch['port']}/v1", launch["key"], command.served_name, folder)


async def _launch(command: ServerCommand, folder: Path, alive: int, patience: Patience) -> None:
    """Start the supervisor, which inherits the locked descriptor of `alive`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    key = secrets.token_urlsafe(24)
    for stale in ("exit.json", "linger", "ready", "crash.json", "crash.log"):
        (folder / stale).unlink(missing_ok=True)
    launch = {
        "arguments": [*command.arguments, "--port", str(port)],
        # In the environment, where `ps` does not show it to other users.
        "env": {**command.env, "VLLM_API_KEY": key},
        "port": port,
        "key": key,
        "model": command.served_name,
        "restarts": patience.restarts,
        "started": time.time(),
    }
    _write_private(folder / "launch.json", json.dumps(launch))
    with (folder / "supervisor.log").open("wb") as log:
        await anyio.run_process(
            script(Path(supervisor.__file__), str(folder), str(alive)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(alive,),
            start_new_session=True,
            cwd="/",
        )


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


async def _answering(server: RunningServer, patience: Patience, progress: ProgressSink) -> None:
    """Wait until the server answers its model list to our key."""
    started = time.monotonic()
    progress(Progress("start", f"{server.model}: starting", 0.0, None, "seconds"))
    while True:
        if await http_status(f"{server.base_url}/models", server.api_key) == 200:
            (server.folder / "ready").touch()
            return
        waited = time.monotonic() - started
        if not is_locked(server.folder / "alive"):
            raise ServerStartFailed(
                f"The model server for {server.model} ended before it was ready: {_obituary(server.folder)}"
            )
        if waited > patience.start:
            raise ServerStartTimeout(
                f"The model server for {server.model} was not ready after {waited:.0f} s "
                f"(it was {server_log.stage(server.log)}). Its log: {server.log}. Close other programs that "
                "need the processor, or allow more time."
            )
        progress(Progress("start", f"{server.model}: {server_log.stage(server.log)}", waited, None, "seconds"))
        await anyio.sleep(_ASK_EVERY)


def _obituary(folder: Path) -> str:
    try:
        note = json.loads((folder / "exit.json").read_text())
        how = _how_it_ended(int(note["status"]))
    except (OSError, ValueError, KeyError):
        how = "its supervisor was killed"
    log = folder / "server.log"
    return f"{how}; last words: {server_log.last_words(log)}. Its log: {log}. Try again, or see `agentrt doctor`."


def _crash(folder: Path) -> dict[str, float] | None:
    try:
        note: dict[str, float] = json.loads((folder / "crash.json").read_text())
        return note if {"time", "status"} <= note.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _how_it_ended(status: int) -> str:
    if status == -9:
        return "killed (signal 9; when nobody did it, the machine ran out of memory)"
    return f"ended by signal {-status}" if status < 0 else f"exit status {status}"


def _folder_of(command: ServerCommand) -> Path:
    what = json.dumps([command.arguments, sorted(command.env.items()), sys.version], sort_keys=True)
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    return servers_home() / f"{command.served_name}-{digest}"
