"""Running one of our child processes to its end: watched, and killed when the caller is cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream

_TAIL = 16_384


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child process ended.

    Attributes:
        status: Exit status; negative for the signal that ended it.
        said: The end of its standard error, at most 16 KiB.
    """

    status: int
    said: str

    @property
    def last_line(self) -> str:
        """The last line that is not empty, which is where a reason stands."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.status}"


def script(path: Path, *arguments: str) -> list[str]:
    """The command for one of our stand-alone scripts.

    `-P` keeps the script's own folder off the import path, where `errors` or `pull` would hide others.
    """
    return [sys.executable, "-P", str(path), *arguments]


async def run_child(
    command: list[str],
    *,
    on_line: Callable[[str], None] | None = None,
    tick: Callable[[], None] | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command until it ends; when the caller is cancelled it is killed first.

    Args:
        command: Program and arguments.
        on_line: Called with each line of its standard output.
        tick: Called about five times a second while it runs.
        env: Variables added to ours.
    """
    said = bytearray()
    status = -int(signal.SIGKILL)

    async def read_errors(stream: ByteReceiveStream) -> None:
        async for block in stream:
            said.extend(block)
            del said[:-_TAIL]

    async def read_lines(stream: ByteReceiveStream) -> None:
        rest = b""
        async for block in stream:
            *lines, rest = (rest + block).split(b"\n")
            if on_line:
                for line in lines:
                    on_line(line.decode(errors="replace"))

    async def keep_ticking(call: Callable[[], None]) -> None:
        while True:
            await anyio.sleep(0.2)
            call()

    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, start_new_session=True
    )
    async with process:
        assert process.stdout and process.stderr
        try:
            async with anyio.create_task_group() as watching:
                if tick:
                    watching.start_soon(keep_ticking, tick)
                async with anyio.create_task_group() as reading:
                    reading.start_soon(read_errors, process.stderr)
                    reading.start_soon(read_lines, process.stdout)
                status = await process.wait()
                watching.cancel_scope.cancel()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return Finished(status, said.decode(errors="replace"))
