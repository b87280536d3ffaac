"""A process on a real pseudo-terminal, with a terminal emulator that shows what a person would see."""

from __future__ import annotations

import json
import os
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import pexpect
import pyte

SCRIPT = Path(__file__).parent / "scripted_repl.py"
ROOT = Path(__file__).parents[2]
PROMPT = "agentrt>"


def decision(answer: str = "", tasks: list[str] | None = None) -> str:
    return json.dumps({"thought": "t", "action": "finish", "tasks": tasks or [], "answer": answer, "reason": ""})


class Terminal:
    """A process on a pseudo-terminal: the scripted REPL, or another Python program with its arguments."""

    def __init__(
        self, folder: Path, replies: Sequence[str] = (), *, columns: int = 100, program: Sequence[str] = (), **env: str
    ) -> None:
        (folder / "replies.json").write_text(json.dumps([*replies]))
        self.folder = folder
        self.screen = pyte.HistoryScreen(columns, 40, history=2_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = pexpect.spawn(
            sys.executable,
            ["-W", "error", *(program or (str(SCRIPT), str(folder)))],
            cwd=str(folder),
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **env},
            dimensions=(40, columns),
            timeout=20,
        )

    def until(self, text: str) -> str:
        """Waits until `text` is written; what was written up to there."""
        self.process.expect_exact(text.encode())
        seen: bytes = self.process.before + self.process.after
        self.raw += seen
        self._stream.feed(seen)
        return seen.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        self.process.send(text)

    def enter(self, line: str) -> None:
        self.process.send(line + "\r")

    def ends(self) -> int:
        """Waits for the end; the exit status, or minus the signal."""
        self.process.expect(pexpect.EOF)
        self.raw += self.process.before
        self._stream.feed(self.process.before)
        self.process.close()
        if self.process.exitstatus is None:
            return -self.process.signalstatus
        return self.process.exitstatus

    @property
    def shown(self) -> str:
        """What the emulator shows, and what has scrolled off."""
        past = ["".join(line[at].data for at in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in (*past, *self.screen.display))

    def modes(self) -> list[int]:
        return termios.tcgetattr(self.process.child_fd)[:4]
