"""Terminals for the tests of the REPL."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.repl.terminals import Terminal


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Terminal]]:
    opened: list[Terminal] = []

    class Opened(Terminal):
        def __init__(self, replies: Sequence[str] = (), **options: object) -> None:
            super().__init__(tmp_path, replies, **options)  # pyright: ignore[reportArgumentType]
            opened.append(self)

    yield Opened  # pyright: ignore[reportReturnType]
    for terminal in opened:
        if not terminal.process.closed:
            terminal.process.kill(signal.SIGKILL)
            terminal.process.wait()
            terminal.process.close()
