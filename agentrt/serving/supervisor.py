"""The process that stands between a model server and those who use it.

It runs by path and imports the standard library only. It is in a session of its own, so neither a
closed terminal nor the end of the process that started it reaches it. What ends it is the kernel's
word: every user of the server holds a shared lock on the file `lease`, and the supervisor waits for the
exclusive one. It has it the moment the last user closes the file or dies, even by SIGKILL. It then
stops the server, unless the last user left a wish to linger, and goes.

The folder it is given holds:
    launch.json   what to run: arguments, environment, port, key (readable by the user only)
    alive         locked as long as this process lives; the lock was taken by whoever started it
    lease         locked, shared, by each user of the server
    linger        a Unix time until which the server may stay without users
    ready         made by a user to whom the server has answered; a start that never got there is not repeated
    crash.json    the last crash of a server that was started again: number, status, Unix time
    crash.log     what it had said
    exit.json     written when the server has ended for good: status and whether it was asked to
    server.log    what the server says

A server that ends by itself after it was ready is started again, at the same port and with the same key:
after one second, then two, four and so on, `restarts` times at most. `alive` holds this process's id.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_GRACE = 3.0
_LONGEST_LINGER = 3600.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> Callable[[], None] | None:
    """What the server's process does before it becomes the server: ask to be ended with us (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here, before the fork: after it only the bare call is safe.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


def _start_server(folder: Path, scratch: str) -> subprocess.Popen[bytes]:
    launch = json.loads((folder / "launch.json").read_text())
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            launch["arguments"],
            env={**os.environ, **launch["env"], "TMPDIR": scratch},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )


def _stop_group(server: subprocess.Popen[bytes]) -> None:
    """End the server and every process it started, politely for a moment, then not."""
    if server.poll() is None:
        _signal_group(server.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_GRACE)
    _signal_group(server.pid, signal.SIGKILL)
    server.wait()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _linger_until(folder: Path) -> float:
    try:
        wished = float((folder / "linger").read_text())
    except (OSError, ValueError):
        return 0.0
    return min(wished, time.time() + _LONGEST_LINGER)


def _unused(folder: Path, lease: int) -> None:
    """Wait until nobody uses the server and no wish to linger is left; the exclusive lock stays held."""
    fcntl.flock(lease, fcntl.LOCK_EX)
    while (rest := _linger_until(folder) - time.time()) > 0:
        fcntl.flock(lease, fcntl.LOCK_UN)
        time.sleep(min(rest, 1.0))
        fcntl.flock(lease, fcntl.LOCK_EX)


def _may_restart(folder: Path, restarts: int) -> bool:
    try:
        allowed = int(json.loads((folder / "launch.json").read_text()).get("restarts", 0))
    except (OSError, ValueError):
        return False
    return restarts < allowed and (folder / "ready").exists()


def _note_crash(folder: Path, number: int, status: int) -> None:
    """Keep what the dead server said, and say that there was one."""
    with suppress(OSError):
        (folder / "server.log").replace(folder / "crash.log")
        (folder / "ready").unlink(missing_ok=True)
        (folder / "crash.json").write_text(json.dumps({"number": number, "status": status, "time": time.time()}))


def _serve(folder: Path, scratch: str, happened: queue.SimpleQueue[str]) -> tuple[str, int]:
    """Run the server, again after each crash, until there is a reason to stop; that reason, and its status."""
    restarts = 0
    while True:
        server = _start_server(folder, scratch)

        def watch(server: subprocess.Popen[bytes] = server) -> None:
            server.wait()
            happened.put("ended")

        threading.Thread(target=watch, daemon=True).start()
        reason = happened.get()
        status = server.poll()
        _stop_group(server)
        status = server.returncode if status is None else status
        if reason != "ended" or not _may_restart(folder, restarts):
            return reason, status
        restarts += 1
        _note_crash(folder, restarts, status)
        with suppress(queue.Empty):
            # Nobody needs it any more, or somebody wants it gone.
            return happened.get(timeout=min(_FIRST_PAUSE * 2 ** (restarts - 1), _LONGEST_PAUSE)), status


def main(arguments: list[str]) -> int:
    """Supervise the server of the folder `arguments[0]`; `arguments[1]` is the descriptor of `alive`."""
    folder, alive = Path(arguments[0]), int(arguments[1])
    # Whoever started us waits for this process and not for the one that stays: it leaves no zombie.
    if os.fork():
        return 0
    os.set_inheritable(alive, False)
    os.ftruncate(alive, 0)
    os.pwrite(alive, str(os.getpid()).encode(), 0)
    lease = os.open(folder / "lease", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    happened: queue.SimpleQueue[str] = queue.SimpleQueue()

    def asked(_signal: int, _frame: object) -> None:
        happened.put("asked")

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its temporary files, sockets among them, whose names must be short: not below `folder`.
    scratch = tempfile.mkdtemp(prefix="agentrt-")

    def watch_lease() -> None:
        _unused(folder, lease)
        happened.put("unused")

    threading.Thread(target=watch_lease, daemon=True).start()
    reason, status = _serve(folder, scratch, happened)
    shutil.rmtree(scratch, ignore_errors=True)
    (folder / "exit.json").write_text(json.dumps({"reason": reason, "status": status}))
    if reason != "ended":
        (folder / "launch.json").unlink(missing_ok=True)
    # In this order: whoever gets the lease must not find us still alive.
    os.close(alive)
    os.close(lease)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
