"""The head start of a server: who gets one, and that nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from serving_deadlines import gone_within

from agentrt.serving import ahead
from agentrt.serving.ahead import starting
from agentrt.serving.command import ServerCommand
from agentrt.serving.errors import ServerStartFailed
from agentrt.serving.filelock import is_locked
from agentrt.serving.running import running_servers
from agentrt.serving.server import shared_server

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def command(fake_command: Callable[..., ServerCommand], monkeypatch: pytest.MonkeyPatch) -> ServerCommand:
    made = fake_command()

    async def command_for(_spec: object) -> ServerCommand:
        return made

    monkeypatch.setattr(ahead, "_command_for", command_for)
    return made


@pytest.mark.asyncio
async def test_the_block_begins_with_the_server_on_its_way_and_whoever_opens_it_finds_it(
    command: ServerCommand,
) -> None:
    async with starting("fake"):
        (begun,) = running_servers()
        async with shared_server(command) as server:
            assert server.folder == begun.folder
    assert await anyio.to_thread.run_sync(gone_within, 10.0, lambda: not is_locked(begun.folder / "alive"))


@pytest.mark.asyncio
async def test_an_error_of_the_block_is_that_error_and_not_a_group(command: ServerCommand) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with starting("fake"):
            raise KeyError("mine")


@pytest.mark.asyncio
async def test_a_server_that_cannot_start_is_told_to_who_opens_it(
    fake_command: Callable[..., ServerCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = fake_command(FAKE_EXIT="3")

    async def command_for(_spec: object) -> ServerCommand:
        return broken

    monkeypatch.setattr(ahead, "_command_for", command_for)
    async with starting("fake"):
        with pytest.raises(ServerStartFailed, match="weights"):
            async with shared_server(broken):
                pass


@pytest.mark.asyncio
@pytest.mark.usefixtures("agentrt_home")
@pytest.mark.parametrize("spec", ["http://127.0.0.1:1/v1", "no-such-model", "smollm2-135m"])
async def test_what_is_elsewhere_unknown_or_not_fetched_yet_gets_none(spec: str) -> None:
    async with starting(spec):
        assert not running_servers()
