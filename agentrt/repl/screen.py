"""The terminal is left as it was found: after a run, after a crash, after everything."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

# Shows the cursor, ends bracketed paste, turns attributes off: what rich and prompt-toolkit may have left on.
_AS_BEFORE = "\x1b[?25h\x1b[?2004l\x1b[0m"


@contextmanager
def kept_screen() -> Generator[None]:
    """Puts back the terminal's modes when the block ends, however it ends."""
    if os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        yield
    finally:
        # A terminal that was closed has nothing to be put back.
        with suppress(termios.error, OSError, ValueError):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
            if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
                sys.stdout.write(_AS_BEFORE)
                sys.stdout.flush()


@contextmanager
def quiet_typing() -> Generator[None]:
    """While something is drawn, what is typed is kept for the next prompt and not shown in between."""
    if os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
        yield
    finally:
        with suppress(termios.error, OSError):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
