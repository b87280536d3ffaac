"""The shared server's life, with a fake server as a real child process."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import psutil
import pytest
from pydantic import SecretStr
from serving_deadlines import gone_within

from agentrt.serving.chat_model import ChatVLLM
from agentrt.serving.command import ServerCommand
from agentrt.serving.errors import ServerDied, ServerStartFailed, ServerStartTimeout, SettingsRefused
from agentrt.serving.filelock import is_locked
from agentrt.serving.http_probe import http_status
from agentrt.serving.metrics import read_stats
from agentrt.serving.progress import Progress
from agentrt.serving.running import find_server, running_servers, stop_server
from agentrt.serving.server import RunningServer, shared_server
from agentrt.serving.settings import Patience

Command = Callable[..., ServerCommand]
pytestmark = pytest.mark.usefixtures("nothing_left")


async def until(done: Callable[[], bool], seconds: float = 10) -> None:
    assert await anyio.to_thread.run_sync(gone_within, seconds, done)


def client_of(server: RunningServer) -> ChatVLLM:
    return ChatVLLM(
        base_url=server.base_url,
        api_key=SecretStr(server.api_key),
        model=server.model,
        max_retries=0,
        obituary=server.obituary,
    )


@pytest.mark.asyncio
async def test_it_starts_asks_for_its_key_and_stops_with_its_last_user(fake_command: Command) -> None:
    seen: list[Progress] = []
    async with shared_server(fake_command(), progress=seen.append) as server:
        assert await http_status(f"{server.base_url}/models", server.api_key) == 200
        assert await http_status(f"{server.base_url}/models", "wrong") == 401
        assert (server.folder / "launch.json").stat().st_mode & 0o777 == 0o600
        assert not any(server.api_key in part for part in _command_lines())
    assert seen and seen[0].stage == "start"
    await until(lambda: not is_locked(server.folder / "alive"))
    assert await http_status(f"{server.base_url}/models", server.api_key) is None


def _command_lines() -> list[str]:
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]


@pytest.mark.asyncio
async def test_equal_commands_share_one_server_and_the_last_one_stops_it(fake_command: Command) -> None:
    async with shared_server(fake_command()) as first:
        async with shared_server(fake_command()) as second:
            assert second == first
        async with shared_server(fake_command(OTHER="1")) as other:
            assert other.base_url != first.base_url
        assert await http_status(f"{first.base_url}/models", first.api_key) == 200


@pytest.mark.asyncio
async def test_users_that_come_at_once_start_one_server(fake_command: Command) -> None:
    urls: set[str] = set()
    everybody = anyio.Event()

    async def use() -> None:
        async with shared_server(fake_command()) as server:
            urls.add(server.base_url)
            if len(urls) > 1 or arrived():
                everybody.set()
            await everybody.wait()

    count = 0

    def arrived() -> bool:
        nonlocal count
        count += 1
        return count == 4

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(use)
    assert len(urls) == 1


@pytest.mark.asyncio
async def test_a_server_that_ends_at_its_start_is_one_clear_error(fake_command: Command) -> None:
    with pytest.raises(ServerStartFailed) as caught:
        async with shared_server(fake_command(FAKE_EXIT="3")):
            pass
    said = str(caught.value)
    assert "exit status 3" in said and "ValueError: the weights are not weights" in said
    assert "server.log" in said


@pytest.mark.asyncio
async def test_a_taken_port_is_tried_again_with_another(fake_command: Command, tmp_path: Path) -> None:
    async with shared_server(fake_command(FAKE_PORT_TAKEN_ONCE=str(tmp_path))) as server:
        ports = (tmp_path / "starts").read_text().split()
        assert len(ports) == 2 and f":{ports[1]}/" in server.base_url


@pytest.mark.asyncio
async def test_a_server_that_never_answers_runs_into_the_time_limit(
    agentrt_home: Path,
) -> None:
    deaf = ServerCommand("deaf", (sys.executable, "-c", "import signal; signal.pause()"))
    with pytest.raises(ServerStartTimeout, match="not ready after"):
        async with shared_server(deaf, patience=Patience(start=0.5)):
            pass
    (folder,) = (agentrt_home / "servers").iterdir()
    await until(lambda: not is_locked(folder / "alive"))


@pytest.mark.asyncio
async def test_a_server_that_dies_in_mid_stream_says_its_last_words(fake_command: Command) -> None:
    async with shared_server(fake_command(), patience=Patience(restarts=0)) as server:
        client = client_of(server)
        text = ""
        with pytest.raises(ServerDied) as caught:
            async for chunk in client.astream("die"):
                text += chunk.text
        await client.aclose()
        assert text.startswith("one")
        assert "exit status 7" in str(caught.value)
        assert "the engine is out of memory" in str(caught.value)
        async with shared_server(fake_command()) as again:
            assert again.base_url != server.base_url


_USER = """
import anyio, sys, json, os
from agentrt.serving.command import ServerCommand
from agentrt.serving.server import shared_server
async def main():
    async with shared_server(ServerCommand("fake", tuple(json.loads(sys.argv[1])), json.loads(sys.argv[2]))) as s:
        print(json.dumps([s.base_url, s.api_key, str(s.folder)]), flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.mark.asyncio
async def test_a_user_killed_with_9_leaves_nothing_behind(fake_command: Command, tmp_path: Path) -> None:
    command = fake_command(FAKE_GRANDCHILD=str(tmp_path / "grandchild"))
    given = [json.dumps(command.arguments), json.dumps(command.env)]
    async with await anyio.open_process([sys.executable, "-c", _USER, *given], stderr=None) as user:
        assert user.stdout
        base_url, key, folder = json.loads(await user.stdout.receive())
        assert await http_status(f"{base_url}/models", key) == 200
        user.kill()
        await until(lambda: not is_locked(Path(folder) / "alive"), 5)
    grandchild = int((tmp_path / "grandchild").read_text())
    await until(lambda: not _lives(grandchild))
    assert await http_status(f"{base_url}/models", key) is None


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.asyncio
async def test_a_killed_supervisor_takes_the_server_with_it(fake_command: Command) -> None:
    async with shared_server(fake_command()) as server:
        (supervisor,) = [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(server.folder) in (process.info["cmdline"] or [])
        ]
        supervisor.send_signal(signal.SIGKILL)
        await until(lambda: not is_locked(server.folder / "alive"))
        assert "supervisor was killed" in (server.obituary() or "")
    if sys.platform == "linux":
        await until(lambda: not any("fake_openai.py" in line and "--port" in line for line in _with(server)))


def _with(server: RunningServer) -> list[str]:
    port = server.base_url.rsplit(":", 1)[-1].split("/")[0]
    return [line for line in _command_lines() if port in line]


@pytest.mark.asyncio
async def test_it_lingers_when_asked_and_is_found_warm(fake_command: Command) -> None:
    patience = Patience(linger=30)
    async with shared_server(fake_command(), patience=patience) as first:
        pass
    async with shared_server(fake_command(), patience=Patience(linger=0)) as second:
        assert second == first
        # The second user takes the wish back, so that this test leaves nothing behind.
        (second.folder / "linger").unlink()
    await until(lambda: not is_locked(first.folder / "alive"))


@pytest.mark.asyncio
async def test_lingering_ends(fake_command: Command) -> None:
    async with shared_server(fake_command(), patience=Patience(linger=0.3)) as server:
        pass
    assert is_locked(server.folder / "alive")
    await until(lambda: not is_locked(server.folder / "alive"))


def test_the_environment_names_the_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTRT_SERVER_LINGER", "12")
    assert Patience().linger == 12
    monkeypatch.setenv("AGENTRT_SERVER_LINGER", "soon")
    assert Patience().linger == 0


@pytest.mark.asyncio
async def test_a_crash_before_the_first_word_is_made_good(fake_command: Command, tmp_path: Path) -> None:
    async with shared_server(fake_command(FAKE_CRASHED=str(tmp_path))) as server:
        client = client_of(server)
        client.revived = server.revived
        assert (await client.ainvoke("crash")).text == "echo: crash"
        (state,) = running_servers()
        assert (state.crashes, state.stage, state.base_url) == (1, "ready", server.base_url)
        assert "fell over" in (server.folder / "crash.log").read_text()
        await client.aclose()


@pytest.mark.asyncio
async def test_a_crash_in_mid_stream_is_told_and_the_next_request_works(fake_command: Command) -> None:
    async with shared_server(fake_command()) as server:
        client = client_of(server)
        client.revived = server.revived
        said = ""
        with pytest.raises(ServerDied, match=r"out of memory.*being started again"):
            async for chunk in client.astream("die"):
                said += chunk.text
        assert said.startswith("one")
        assert await anyio.to_thread.run_sync(server.revived)
        assert (await client.ainvoke("hi")).text == "echo: hi"
        await client.aclose()


@pytest.mark.asyncio
async def test_running_servers_are_listed_read_and_stopped(fake_command: Command) -> None:
    assert running_servers() == []
    with pytest.raises(SettingsRefused, match="No server runs"):
        find_server(None)
    async with shared_server(fake_command()) as server, shared_server(fake_command(OTHER="1")) as other:
        assert {one.base_url for one in running_servers()} == {server.base_url, other.base_url}
        with pytest.raises(SettingsRefused, match="More than one server runs for fake"):
            find_server("fake")
        found = find_server(other.folder.name)
        stats = await read_stats(found.base_url, found.api_key)
        assert stats is not None and stats.generated_tokens == 60
        assert "key" not in json.dumps(found.to_json())
        assert await stop_server(found)
        assert [one.base_url for one in running_servers()] == [server.base_url]
        assert await read_stats(found.base_url, found.api_key) is None
