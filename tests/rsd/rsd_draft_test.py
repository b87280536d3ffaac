"""Drafts made of a target's layers, and what teaching does to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agentrt.serving.rsd.errors import DistillationError, InvalidLayers
from agentrt.serving.rsd.layers import middle_skipped, parse_layers

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models lose time to a thread pool, most of all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@given(st.integers(2, 200))
def test_the_middle_is_skipped_and_something_is_kept(count: int) -> None:
    keep = middle_skipped(count)
    assert keep == parse_layers(",".join(map(str, keep)), count)
    assert 1 <= len(keep) < count
    assert keep[0] == 0


def test_ranges_and_numbers_are_layers() -> None:
    assert parse_layers("0-2, 5,7-8", 9) == [0, 1, 2, 5, 7, 8]


@given(st.text(max_size=12))
def test_any_text_is_layers_or_a_clear_error(text: str) -> None:
    try:
        keep = parse_layers(text, 12)
    except InvalidLayers as error:
        assert len(str(error)) > 20
    else:
        assert keep == sorted(set(keep))


@pytest.mark.parametrize("text", ["", "0-11", "3-1", "1,1", "12", "0,-1", "a", "5,4", "0-99999"])
def test_layers_that_cannot_be_kept_are_refused(text: str) -> None:
    with pytest.raises(InvalidLayers):
        parse_layers(text, 12)


def tiny(layers: int = 3) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=48,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=96,
        initializer_range=0.25,
        eos_token_id=None,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).float().eval()


def test_a_skipped_model_has_the_kept_layers_weights() -> None:
    from agentrt.serving.rsd.layers import skip_layers

    target = tiny()
    draft = skip_layers(target, [0, 2])
    assert draft.config.num_hidden_layers == 2
    assert torch.equal(draft.model.layers[1].mlp.up_proj.weight, target.model.layers[2].mlp.up_proj.weight)
    assert torch.equal(draft.lm_head.weight, target.lm_head.weight)
    assert draft.lm_head.weight.data_ptr() != target.lm_head.weight.data_ptr()
    target.model.layers[1] = torch.nn.Identity()
    with pytest.raises(InvalidLayers, match="layers 0 to 2"):
        skip_layers(target, [0, 3])


def save(folder: Path) -> Path:
    """A target with a tokenizer of single letters and a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRST"
    words = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)} | {"?": 47}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    tiny().save_pretrained(folder)
    return folder


def test_teaching_raises_the_overlap_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    from agentrt.serving.rsd.distill import Recipe
    from agentrt.serving.rsd.draft import make_draft

    target, folder = save(tmp_path / "target"), tmp_path / "draft"
    recipe = Recipe(steps=60, texts=24, tokens=24, batch=8, rate=3e-3, save_every=20)
    steps: list[int] = []

    class Stopped(Exception):
        pass

    def stop(text: str, done: int, total: int) -> None:
        if text.startswith("learning"):
            steps.append(done)
            if done == 45:
                raise Stopped

    settings: dict[str, Any] = {"layers": "0,2", "recipe": recipe, "topics": ["abc", "the sea"]}
    with pytest.raises(Stopped):
        make_draft(target, folder, **settings, told=stop)
    assert not folder.exists()
    with pytest.raises(DistillationError, match="made in another way"):
        make_draft(target, folder, recipe=recipe)
    texts = (tmp_path / "draft.training" / "texts.jsonl").read_text()
    taught = make_draft(target, folder, **settings, told=lambda text, done, total: steps.append(done))
    assert steps[45:].count(41) == 1
    assert 40 not in steps[45:]
    assert taught.steps == 60
    assert taught.after > taught.before + 0.05
    assert len(texts.splitlines()) == 24
    report = json.loads((folder / "draft.json").read_text())
    assert report["layers"] == [0, 2]
    assert report["after"] == taught.after
    assert not (tmp_path / "draft.training").exists()
    whole = make_draft(target, tmp_path / "again", **settings)
    assert whole.after == pytest.approx(taught.after, abs=1e-4)
    with pytest.raises(DistillationError, match="no draft of ours"):
        make_draft(target, target, recipe=recipe)


def test_a_half_written_text_is_written_again(tmp_path: Path) -> None:
    from agentrt.serving.rsd.distill import Recipe, write_texts

    file = tmp_path / "texts.jsonl"
    recipe = Recipe(texts=10, tokens=5)
    told = lambda text, done, total: None  # noqa: E731
    first = write_texts(tiny(), [[1, 2], [3]], recipe, frozenset(), file, told)
    text = file.read_text()
    file.write_text(text[: len(text) - 20])
    assert write_texts(tiny(), [[1, 2], [3]], recipe, frozenset(), file, told) == first
    assert file.read_text() == text


def test_a_loss_that_is_no_number_is_told(tmp_path: Path) -> None:
    from agentrt.serving.rsd.distill import Lesson, Recipe, teach
    from agentrt.serving.rsd.layers import skip_layers

    target = tiny()
    draft = skip_layers(target, [0])
    with torch.no_grad():
        draft.model.norm.weight.fill_(float("nan"))
    lessons = [Lesson([1, 2, 3, 4], 2)] * 4
    with pytest.raises(DistillationError, match="lower rate"):
        teach(target, draft, lessons, Recipe(steps=2), tmp_path, lambda text, done, total: None)
    with pytest.raises(DistillationError):
        Recipe(steps=0)


def test_the_command_makes_a_draft(tmp_path: Path) -> None:
    from agentrt.cli.main import app

    target, folder = save(tmp_path / "target"), tmp_path / "draft"
    line = ["model", "draft", str(target), "-o", str(folder), "--steps", "2", "--texts", "4", "--tokens", "6", "--json"]
    done = CliRunner().invoke(app, [*line, "--from-layers", "0,2"])
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["folder"] == str(folder)
    assert 0 < made["before"] < 1
    assert transformers.AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == 2


@pytest.mark.asyncio
async def test_a_model_with_trees_opens_without_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agentrt.serving import RSD, ServerSettings, local_model, open_model
    from agentrt.serving.rsd import ChatRSD
    from agentrt.serving.rsd.errors import EngineClosed

    folder = save(tmp_path / "target")
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    for tree in ("rsd-s:2x2", "auto"):
        settings = ServerSettings(speculation=RSD(str(folder), tree), max_model_len=64)
        async with open_model(folder, settings=settings, temperature=0.0, max_tokens=9) as model:
            assert isinstance(model, ChatRSD)
            answer = await model.ainvoke("abc")
            assert answer.usage_metadata is not None
            assert answer.usage_metadata["output_tokens"] == 9
        with pytest.raises(EngineClosed):
            await model.ainvoke("abc")
