"""One at a time across processes, by `flock`: the kernel lets go when a process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

_RETRY = 0.2


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock a file without waiting.

    Returns:
        The open descriptor that holds the lock (close it to let go), or None when somebody else has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a live process holds the file's lock."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


async def wait_for_lock(path: Path, *, shared: bool = False, on_wait: Callable[[], None] | None = None) -> int:
    """Lock a file, waiting as long as it takes.

    It asks again five times a second, because a thread that waits inside `flock` cannot be cancelled.

    Args:
        path: The file; made when missing.
        shared: Whether several may hold it.
        on_wait: Called once when there is somebody to wait for.
    """
    while (descriptor := try_lock(path, shared=shared)) is None:
        if on_wait:
            on_wait()
            on_wait = None
        await anyio.sleep(_RETRY)
    return descriptor


@asynccontextmanager
async def locked(path: Path, *, on_wait: Callable[[], None] | None = None) -> AsyncGenerator[None]:
    """Hold a file's exclusive lock for the length of the block."""
    descriptor = await wait_for_lock(path, on_wait=on_wait)
    try:
        yield
    finally:
        os.close(descriptor)
