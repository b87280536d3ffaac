"""The plugin's parts, each by itself: no engine is started."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.serving.rsd.errors import InvalidTree, RSDError, UnsupportedVLLM
from agentrt.serving.rsd.growth import Growth
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.vllm_plugin import hooks, register
from agentrt.serving.rsd.vllm_plugin import launch as launching
from agentrt.serving.rsd.vllm_plugin.hooks import COMMON, CPU, CUDA, Hook, missing_hooks, require_hooks
from agentrt.serving.rsd.vllm_plugin.launch import launch
from agentrt.serving.rsd.vllm_plugin.requests import sampling_of, undraftable
from agentrt.serving.rsd.vllm_plugin.settings import VARIABLE, PluginSettings

torch = pytest.importorskip("torch")

SPEC = importlib.util.find_spec("vllm")
needs_vllm = pytest.mark.skipif(SPEC is None, reason="vLLM is not installed")


@needs_vllm
def test_the_installed_vllm_has_every_hook() -> None:
    assert SPEC is not None and SPEC.origin is not None
    assert missing_hooks(Path(SPEC.origin).parent, (*COMMON, *CPU, *CUDA)) == []
    require_hooks("cpu")


def test_a_missing_hook_is_named(tmp_path: Path) -> None:
    (tmp_path / "runner.py").write_text(
        "class Runner:\n    LIMIT: int = 3\n    def kept(self, logits, metadata): ...\n    def changed(self, x): ...\n"
    )
    hooks = (
        Hook("runner.py", "Runner.kept", ("self", "logits")),
        Hook("runner.py", "Runner.LIMIT"),
        Hook("runner.py", "Runner.gone"),
        Hook("runner.py", "Runner.changed", ("self", "logits")),
        Hook("other.py", "f"),
    )
    assert missing_hooks(tmp_path, hooks) == [
        "Runner.gone (runner.py): not there",
        "Runner.changed (runner.py): takes self, x instead of self, logits",
        "f (other.py): no such file",
    ]


def test_an_unsupported_vllm_is_refused_by_name_and_drafts_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "COMMON", (Hook("v1/runner.py", "Runner._sample"),))
    found = hooks.unsupported("cpu")
    assert found is not None
    if SPEC is not None:
        assert "Runner._sample (v1/runner.py): no such file" in found
    with pytest.raises(UnsupportedVLLM, match="choose another speculation"):
        require_hooks("cpu")
    plan = launch(PluginSettings("/models/draft", "rsd-s:3x5"))
    assert plan.speculative_config == {
        "method": "draft_model",
        "model": "/models/draft",
        "num_speculative_tokens": 5,
    }
    assert plan.note is not None and plan.note.startswith(found)
    assert plan.engine_arguments == {"speculative_config": plan.speculative_config}
    assert plan.env == {}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_server_is_told_everything(monkeypatch: pytest.MonkeyPatch, device: Any) -> None:
    monkeypatch.setattr(launching, "unsupported", lambda device: None)
    settings = PluginSettings("/models/draft", "rsd-c:3-1-1", support=32)
    plan = launch(settings, device)
    assert plan.speculative_config["num_speculative_tokens"] == 9
    assert plan.env["VLLM_USE_V2_MODEL_RUNNER"] == "0"
    monkeypatch.setenv(VARIABLE, plan.env[VARIABLE])
    assert PluginSettings.from_environment() == settings
    keywords = plan.engine_arguments
    assert keywords["worker_cls"].endswith(f"{device}_worker.{device.upper()}TreeWorker")
    assert keywords["async_scheduling"] is False
    assert ("attention_backend" in keywords) == (device == "cuda")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"draft": "x", "tree": "rsd"}', '{"colour": 1}'])
def test_settings_that_cannot_be_read_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(RSDError):
        PluginSettings.from_environment()


def test_settings_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"verifier": "none"}, {"support": 0}, {"tree": "rsd-s:0x3"}, {"rows": 0}):
        with pytest.raises(RSDError):
            PluginSettings("x", **wrong)
    assert PluginSettings("x", "auto", budget=12).nodes == 12
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(RSDError, match=VARIABLE):
        PluginSettings.from_environment()


def test_the_entry_point_does_nothing_in_a_server_without_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(hooks, "require_hooks", lambda: pytest.fail("looked for hooks"))
    register()


PLAIN: dict[str, Any] = {
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "min_p": 0.0,
    "min_tokens": 0,
    "bad_words": None,
    "logit_bias": None,
    "allowed_token_ids": None,
    "structured_outputs": None,
    "extra_args": None,
    "logprobs": None,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
}


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, None),
        ({"temperature": 0.3, "top_k": 5, "top_p": 0.5, "logprobs": 3}, None),
        ({"presence_penalty": 0.1}, "presence_penalty"),
        ({"frequency_penalty": -0.1}, "frequency_penalty"),
        ({"repetition_penalty": 1.1}, "repetition_penalty"),
        ({"bad_words": ["x"]}, "bad_words"),
        ({"structured_outputs": object()}, "structured_outputs"),
        ({"min_tokens": 9}, "min_tokens"),
        ({"min_tokens": 5}, None),
        ({"allowed_token_ids": [1]}, "allowed_token_ids"),
        ({"logit_bias": {1: 2.0}}, "logit_bias"),
    ],
)
def test_requests_that_cannot_be_drafted_for_are_told_apart(changed: dict[str, Any], cause: str | None) -> None:
    assert undraftable(SimpleNamespace(**{**PLAIN, **changed}), 5, "raw_logprobs") == cause


def test_processed_logprobs_are_not_told_for_tree_nodes() -> None:
    assert undraftable(SimpleNamespace(**{**PLAIN, "logprobs": 1}), 0, "processed_logprobs") is not None
    assert undraftable(SimpleNamespace(**PLAIN), 0, "processed_logprobs") is None


def test_vllms_sampling_settings_are_ours() -> None:
    found = sampling_of(SimpleNamespace(temperature=1e-6, top_k=-1, top_p=0.5))
    assert (found.temperature, found.top_k, found.top_p) == (0.0, 0, 0.5)


def tree(seed: int, shape: TreeShape) -> Tree:
    rng = np.random.default_rng(seed)
    growth = Growth(shape, [0], [rng])
    while not growth.done:
        rows = np.log(rng.dirichlet(np.ones(6), growth.frontier.shape))
        growth.grow(np.broadcast_to(np.arange(6), rows.shape), rows)
    return growth.trees()[0]


SHAPES = st.one_of(
    st.builds(TreeShape.rsd_s, st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(lambda b: TreeShape.rsd_c(*b)),
)


@given(st.integers(0, 99), SHAPES, st.integers(0, 9))
def test_staged_trees_see_the_text_and_their_ancestors(seed: int, shape: TreeShape, root: int) -> None:
    """Causality and the stage's condition together are the tree's mask; tokens outside of trees see all before them."""
    from agentrt.serving.rsd.vllm_plugin.stage import Stage

    made = tree(seed, shape)
    size, before = len(made), 4
    stage = Stage(before + size + 2, shape.nodes + 1)
    stage.put(before, root, made.ancestor_mask())
    keys = torch.arange(root + size)
    for node in range(size):
        causal = keys <= root + node
        seen = causal & stage.visible(torch.full_like(keys, before + node), keys)
        assert seen[:root].all()
        assert np.array_equal(seen[root:].numpy(), made.ancestor_mask()[node])
    assert stage.visible(torch.zeros_like(keys), keys).all()
    stage.clear()
    assert stage.visible(torch.full_like(keys, before), keys).all()


def test_attention_over_pages_is_attention(rows: int = 3) -> None:
    """Against plain softmax attention: a chunk of a prompt, a single token, and a tree, in scattered blocks."""
    from agentrt.serving.rsd.vllm_plugin.attention_cache import paged_attention, write_slots
    from agentrt.serving.rsd.vllm_plugin.stage import Stage

    torch.manual_seed(0)
    heads, groups, size, block = 4, 2, 8, 4
    made = tree(1, TreeShape.rsd_s(3, 2))
    news, lengths = [5, 1, len(made)], [9, 6, 4 + len(made)]
    blocks = torch.randperm(12)[: rows * 4].reshape(rows, 4).int()
    cache = torch.randn(12, groups, block, 2 * size)
    keys = [torch.randn(n, groups, size) for n in lengths]
    values = [torch.randn(n, groups, size) for n in lengths]
    for row in range(rows):
        place = torch.arange(lengths[row])
        slots = blocks[row][place // block].long() * block + place % block
        padding = torch.full((1, groups, size), torch.nan)
        write_slots(
            cache,
            torch.cat([keys[row], padding]),
            torch.cat([values[row], padding]),
            torch.cat([slots, torch.tensor([-1])]),
        )
    starts = [0, *np.cumsum(news).tolist()]
    query, out = torch.randn(starts[-1], heads, size), torch.empty(starts[-1], heads, size)
    stage = Stage(starts[-1], 8)
    stage.put(starts[2], lengths[2] - len(made), made.ancestor_mask())
    paged_attention(query, cache, out, starts, lengths, blocks, 0.3, stage)
    for row, length in enumerate(lengths):
        new = news[row]
        allowed = torch.ones(new, length, dtype=torch.bool).tril(length - new)
        if row == 2:
            allowed[:, length - new :] = torch.tensor(made.ancestor_mask())
        for head in range(heads):
            k, v = keys[row][:, head // 2], values[row][:, head // 2]
            scores = query[starts[row] : starts[row + 1], head] @ k.T * 0.3
            wanted = torch.softmax(scores.masked_fill(~allowed, -torch.inf), -1) @ v
            assert torch.allclose(out[starts[row] : starts[row + 1], head], wanted, atol=1e-5)


def test_slots_move_as_if_all_were_read_first() -> None:
    from agentrt.serving.rsd.vllm_plugin.attention_cache import move_slots

    cache = torch.arange(3 * 2 * 4 * 2).reshape(3, 2, 4, 2).float()
    before = cache.clone()
    move_slots(cache, torch.tensor([5, 6]), torch.tensor([6, 9]))
    assert torch.equal(cache[1, :, 2], before[1, :, 1])
    assert torch.equal(cache[2, :, 1], before[1, :, 2])
    assert int((cache != before).any(-1).any(1).sum()) == 2


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_prefixes(known: list[int], tokens: list[int]) -> None:
    from agentrt.serving.rsd.vllm_plugin.proposer import common_prefix

    length = common_prefix(np.array(known, dtype=np.int64), np.array(tokens, dtype=np.int64))
    assert known[:length] == tokens[:length]
    assert length == min(len(known), len(tokens)) or known[length] != tokens[length]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"async_scheduling": True}, "asynchronous"),
        ({"world_size": 2}, "several workers"),
        ({"data_parallel_size": 2}, "data parallelism"),
        ({"use_v2_model_runner": True}, "second model runner"),
        ({"uses_mrope": True}, "M-RoPE"),
        ({"logits_processors": ["x"]}, "logits processors"),
    ],
)
def test_settings_that_trees_do_not_go_together_with_are_refused(changed: dict[str, Any], what: str) -> None:
    from agentrt.serving.rsd.vllm_plugin.runner import refuse

    values: dict[str, Any] = {
        "async_scheduling": False,
        "world_size": 1,
        "data_parallel_size": 1,
        "use_v2_model_runner": False,
        "uses_mrope": False,
        "logits_processors": None,
    }

    def config(**each: Any) -> SimpleNamespace:
        one = SimpleNamespace(**{**values, **each})
        return SimpleNamespace(
            scheduler_config=one, parallel_config=one, model_config=one, use_v2_model_runner=one.use_v2_model_runner
        )

    refuse(config())
    with pytest.raises(UnsupportedVLLM, match=what):
        refuse(config(**changed))


def test_a_tree_over_the_token_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentrt.serving.rsd.vllm_plugin.proposer import TreeProposer

    monkeypatch.setenv(VARIABLE, PluginSettings("x", "rsd-s:5x6").to_json())
    model = SimpleNamespace(max_model_len=100, seed=0)
    scheduler = SimpleNamespace(max_num_batched_tokens=30, max_num_seqs=4)
    with pytest.raises(InvalidTree, match=r"30 nodes.*30 tokens"):
        TreeProposer(SimpleNamespace(model_config=model, scheduler_config=scheduler))


@needs_vllm
@pytest.mark.slow
@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_the_flex_mask_is_the_trees_in_scattered_blocks() -> None:
    """The mask function as FlexAttention calls it, through vLLM's own mapping of blocks, evaluated on a CPU."""
    from vllm.v1.attention.backends.flex_attention import FlexAttentionMetadata, causal_mask_mod

    from agentrt.serving.rsd.vllm_plugin.flex import tree_mask
    from agentrt.serving.rsd.vllm_plugin.stage import Stage

    made, block = tree(1, TreeShape.rsd_s(3, 2)), 4
    news, lengths = [5, len(made)], [9, 6 + len(made)]
    blocks = [[7, 2, 5], [1, 6, 0, 3]]
    physical = torch.full((2, 8), -1)
    for row, pages in enumerate(blocks):
        physical[row, pages] = torch.arange(len(pages))
    requests = torch.tensor([0] * news[0] + [1] * news[1])
    meta: Any = SimpleNamespace(
        block_size=block,
        physical_to_logical=physical,
        seq_lens=torch.tensor(lengths),
        query_start_loc=torch.tensor([0, news[0], sum(news)]),
        decode_offset=torch.tensor([n - new for n, new in zip(lengths, news, strict=True)]),
        doc_ids=requests,
        logical_mask_mod=causal_mask_mod,
    )
    meta._convert_physical_to_logical = lambda *each: FlexAttentionMetadata._convert_physical_to_logical(meta, *each)
    causal = FlexAttentionMetadata.get_paged_mask_mod(meta)
    stage = Stage(sum(news), 8)
    stage.put(news[0], lengths[1] - news[1], made.ancestor_mask())
    mask = tree_mask(causal, meta._convert_physical_to_logical, requests, stage)
    zero = torch.tensor(0)
    for token, request in enumerate(requests.tolist()):
        seen = mask(zero, zero, torch.tensor(token), torch.arange(32))
        local = token - (0, news[0])[request]
        wanted = torch.zeros(32, dtype=torch.bool)
        for position in range(lengths[request]):
            before = lengths[request] - news[request]
            if request == 0:
                there = position <= before + local
            else:
                there = position < before or bool(made.ancestor_mask()[local, position - before])
            wanted[blocks[request][position // block] * block + position % block] = there
        assert torch.equal(seen, wanted)
