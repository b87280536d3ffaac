"""The process that forks victims, as tests hold it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The process that forks victims."""

    def __init__(self, victim: str = "victim") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.faults.{victim}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(self, order: dict[str, Any], kill_after: float | None = None) -> int:
        """Runs one victim to its end, or kills it after so many seconds; its exit code."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        child = int(self.process.stdout.readline())
        if kill_after is not None:
            ended, _, _ = select.select([self.process.stdout], [], [], kill_after)
            if not ended:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()
