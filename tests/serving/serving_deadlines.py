"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def gone_within(seconds: float, done: Callable[[], bool]) -> bool:
    """Whether `done` became true before the deadline, in seconds."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
