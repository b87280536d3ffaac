"""A home of its own for every test, and the fake server as a command and as a running process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from serving_deadlines import gone_within

from agentrt.serving.command import ServerCommand

FAKE = Path(__file__).with_name("fake_openai.py")


@pytest.fixture
def agentrt_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("AGENTRT_HOME", str(home))
    monkeypatch.delenv("AGENTRT_SERVER_LINGER", raising=False)
    return home


@pytest.fixture
def fake_command(agentrt_home: Path) -> Callable[..., ServerCommand]:
    def command(**env: str) -> ServerCommand:
        return ServerCommand("fake", (sys.executable, str(FAKE)), env)

    return command


@pytest.fixture(scope="session")
def fake_url() -> Iterator[str]:
    """The base URL of one fake server without a key, for tests of the client."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, str(FAKE), "--port", str(port)]) as server:
        try:
            while True:
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails when the test leaves a fake server or a supervisor running."""
    before = {process.pid for process in psutil.process_iter()}
    yield
    gone_within(5, lambda: not _ours(before))
    assert not _ours(before)


def _ours(before: set[int]) -> list[list[str]]:
    found: list[list[str]] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line: list[str] = process.info["cmdline"] or []
        ours = any(part.endswith(("fake_openai.py", "supervisor.py")) for part in line)
        if process.pid not in before and ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found
