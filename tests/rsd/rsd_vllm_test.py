"""The plugin in a real vLLM: what it writes is what vLLM writes without it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_models import chi_square

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]


def save_tiny(folder: Path, vocabulary: int, *, noise: float = 0.0, layers: int = 2) -> Path:
    """A random Llama; `noise` makes a neighbour of the one without."""
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).float().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * noise * weight.std() if weight.dim() == 2 else 0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    home = tmp_path_factory.mktemp("tiny")
    return str(save_tiny(home / "target", 64)), str(save_tiny(home / "draft", 64, noise=0.2))


def run(folder: Path, engine: dict[str, Any], batches: list[Any], rsd: dict[str, Any] | None = None) -> dict[str, Any]:
    out = folder / f"out-{len(list(folder.iterdir()))}.json"
    job = {"engine": engine, "batches": batches, "rsd": rsd, "out": str(out)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("plugin_driver.py"))],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=800,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())


def prompts(vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    shared = rng.integers(0, vocabulary, 40).tolist()
    lengths = (1, 3, 45, 70, 20, 97, 2, 60)
    return [(shared if n >= 45 else []) + rng.integers(0, vocabulary, n % 45 + 1).tolist() for n in lengths]


# Blocks are short and few, and a pass holds 48 tokens: prompts come in chunks and share cached prefixes, trees are cut
# by the scheduler, requests are preempted and come back, and texts reach the end of the context.
TIGHT = {
    "skip_tokenizer_init": True,
    "max_model_len": 160,
    "block_size": 32,
    "num_gpu_blocks_override": 16,
    "max_num_batched_tokens": 48,
    "max_num_seqs": 6,
}


def job_of(vocabulary: int) -> list[Any]:
    greedy = {"temperature": 0, "max_tokens": 110, "detokenize": False, "logprobs": 1}
    plain = [[prompt, greedy] for prompt in prompts(vocabulary)]
    odd = [
        {"presence_penalty": 0.7},
        {"repetition_penalty": 1.3},
        {"min_tokens": 12, "stop_token_ids": list(range(0, vocabulary, 3))},
        {"allowed_token_ids": [1, 5, 9, 13]},
        {},
        {"logprobs": 3},
        {"frequency_penalty": 0.4},
        {"stop_token_ids": list(range(0, vocabulary, 7))},
    ]
    return [plain, plain, [[p, {**greedy, **more}] for (p, _), more in zip(plain, odd, strict=True)]]


@pytest.fixture(scope="module")
def alone(tiny: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("alone"), {"model": tiny[0], **TIGHT}, job_of(64))


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a["tokens"] == b["tokens"]
        for left, right in zip(a["logprobs"], b["logprobs"], strict=True):
            assert left == pytest.approx(right, abs=1e-3)


def test_greedy_text_is_the_targets_own_under_pressure(tiny: tuple[str, str], tmp_path: Path) -> None:
    """Chunked prompts, cached prefixes, cut trees, preemption, the end of the context."""
    batch = job_of(64)[0]
    ours = run(tmp_path, {"model": tiny[0], **TIGHT}, [batch], {"draft": tiny[1], "tree": "rsd-s:3x3", "rows": 4})
    model = transformers.LlamaForCausalLM.from_pretrained(tiny[0]).eval()
    for (prompt, settings), answer in zip(batch, ours["answers"][0], strict=True):
        text = torch.tensor([[*prompt, *answer["tokens"]]])
        with torch.no_grad():
            logprobs = torch.log_softmax(model(text).logits[0, len(prompt) - 1 : -1], -1)
        assert answer["tokens"] == logprobs.argmax(-1).tolist()
        assert len(answer["tokens"]) == min(settings["max_tokens"], TIGHT["max_model_len"] - len(prompt))
        told = [each[str(token)] for each, token in zip(answer["logprobs"], answer["tokens"], strict=True)]
        assert told == pytest.approx(logprobs.max(-1).values.tolist(), abs=1e-3)
    calls, tokens, offered, accepted = ours["counts"]
    assert tokens / calls > 1.3
    assert len(offered) == 3
    assert offered[1] <= accepted[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tree", "verifier"),
    [("rsd-s:3x3", "recursive"), ("rsd-c:2-2-1", "recursive"), ("chain:4", "traversal"), ("auto", "recursive")],
)
def test_requests_of_all_kinds_get_vllms_own_answers(
    tiny: tuple[str, str], alone: dict[str, Any], tmp_path: Path, tree: str, verifier: str
) -> None:
    settings = {"draft": tiny[1], "tree": tree, "verifier": verifier, "budget": 9}
    ours = run(tmp_path, {"model": tiny[0], **TIGHT}, job_of(64), settings)
    for mine, theirs in zip(ours["answers"], alone["answers"], strict=True):
        assert_same(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("tree", ["rsd-s:3x2", "rsd-c:2-2", "chain:2"])
def test_sampled_text_follows_the_target(tmp_path: Path, tree: str) -> None:
    """Four tokens at temperature 1, in batches of 32: the first is vLLM's own, the others come out of trees."""
    vocabulary, length, rounds = 6, 4, 5000
    target, draft = save_tiny(tmp_path / "target", vocabulary), save_tiny(tmp_path / "draft", vocabulary, noise=0.3)
    engine = {"model": str(target), "skip_tokenizer_init": True, "max_model_len": 32, "max_num_seqs": 32, "seed": 5}
    settings = [
        {"temperature": 1.0, "max_tokens": length, "detokenize": False},
        {"temperature": 0.7, "top_k": 4, "top_p": 0.9, "max_tokens": length, "detokenize": False},
    ]
    batches = [[[[3, 1], s] for _ in range(rounds)] for s in settings]
    ours = run(tmp_path, engine, batches, {"draft": str(draft), "tree": tree, "rows": 32})
    assert ours["counts"][1] / ours["counts"][0] > 1.3
    model = transformers.LlamaForCausalLM.from_pretrained(target).double().eval()
    texts = list(itertools.product(range(vocabulary), repeat=length))
    with torch.no_grad():
        logits = model(torch.tensor([[3, 1, *text] for text in texts])).logits[:, 1:-1].numpy()
    for answers, chosen in zip(ours["answers"], settings, strict=True):
        p = truncated(logits, chosen["temperature"], chosen.get("top_k", vocabulary), chosen.get("top_p", 1.0))
        joint = np.take_along_axis(p, np.array(texts)[..., None], -1)[..., 0].prod(axis=-1)
        seen = np.zeros(len(texts))
        for answer in answers:
            seen[np.ravel_multi_index(answer["tokens"], [vocabulary] * length)] += 1
        assert chi_square(seen, joint) > 1e-4


def truncated(logits: Any, temperature: float, top_k: int, top_p: float) -> Any:
    """Temperature, top-k and top-p in the plainest way; shape [..., vocabulary]."""
    p = np.exp(logits / temperature)
    ranked = np.sort(p, axis=-1)[..., ::-1]
    p = np.where(p >= ranked[..., top_k - 1 : top_k], p, 0.0)
    p /= p.sum(axis=-1, keepdims=True)
    ranked = np.sort(p, axis=-1)[..., ::-1]
    inside = np.cumsum(ranked, axis=-1) - ranked < top_p
    least = np.where(inside, ranked, np.inf).min(axis=-1, keepdims=True)
    p = np.where(p >= least, p, 0.0)
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.slow
def test_a_seed_repeats_its_text_in_any_company(tiny: tuple[str, str], tmp_path: Path) -> None:
    seeded = [list(range(60)), {"temperature": 1.0, "seed": 7, "max_tokens": 30, "detokenize": False}]
    others = [[p[:20], {"temperature": 1.0, "max_tokens": 20, "detokenize": False}] for p in prompts(64)]
    ours = run(tmp_path, {"model": tiny[0], **TIGHT}, [[seeded], [*others, seeded]], {"draft": tiny[1], "rows": 16})
    assert ours["answers"][0][0]["tokens"] == ours["answers"][1][-1]["tokens"]


@pytest.mark.slow
def test_a_grammar_and_trees_share_a_batch(tmp_path: Path) -> None:
    from rsd_smollm2_test import FOLDER, noisy_copy

    if not (FOLDER / "config.json").exists():
        pytest.skip("needs the SmolLM2-135M checkpoint")
    greedy = {"temperature": 0, "max_tokens": 24}
    batch = [
        ["The capital of the country was", greedy],
        ["Is the sky blue? Answer:", {**greedy, "choice": ["yes, it is", "no, it is not"]}],
        ["She opened the door and saw", greedy],
        ["def fibonacci(n):\n", {**greedy, "bad_words": ["return"]}],
    ]
    engine = {"model": str(FOLDER), "max_model_len": 256}
    theirs = run(tmp_path, engine, [batch])["answers"][0]
    ours = run(tmp_path, engine, [batch], {"draft": str(noisy_copy(tmp_path / "draft")), "tree": "rsd-s:3x4"})
    assert [a["text"] for a in ours["answers"][0]] == [a["text"] for a in theirs]
    assert theirs[1]["text"] in ("yes, it is", "no, it is not")
    assert ours["counts"][1] / ours["counts"][0] > 1.5


@pytest.mark.slow
def test_a_draft_that_does_not_fit_stops_the_server_before_its_first_token(
    tiny: tuple[str, str], tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other", 65)
    with pytest.raises(AssertionError, match="VocabularyMismatch: the target has 64 tokens and the draft 65"):
        run(tmp_path, {"model": tiny[0], **TIGHT}, [], {"draft": str(other)})
    with pytest.raises(AssertionError, match="60 nodes and a pass of this server holds 48 tokens"):
        run(tmp_path, {"model": tiny[0], **TIGHT}, [], {"draft": tiny[1], "tree": "rsd-s:6x10"})


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_served_model_drafts_trees_and_tells_acceptance_by_depth(tmp_path: Path) -> None:
    import httpx
    from rsd_smollm2_test import FOLDER, noisy_copy

    from agentrt.serving import RSD, ServerSettings, open_model

    if not (FOLDER / "config.json").exists():
        pytest.skip("needs the SmolLM2-135M checkpoint")
    method = RSD(str(noisy_copy(tmp_path / "draft")), "rsd-s:3x3")
    settings = ServerSettings(dtype="float32", max_model_len=512, speculation=method)
    async with open_model(FOLDER, settings=settings, temperature=0.0, max_tokens=40) as served:
        model: Any = served
        assert (await model.ainvoke("Name three colours and a river.")).content
        async with httpx.AsyncClient() as client:
            page = (await client.get(str(model.base_url).rstrip("/").removesuffix("v1") + "metrics")).text
    # vLLM counts rounds by how many drafts they took: in a tree that is how deep the path went.
    name = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
    depths = [float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)]
    assert len(depths) == 9
    assert depths[0] >= depths[1] >= depths[2] > 0
    assert not any(depths[3:])
