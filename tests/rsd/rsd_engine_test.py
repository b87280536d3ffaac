"""The torch engine on tiny random models: what it writes is what the target alone would write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
import pytest
from table_models import chi_square

from agentrt.serving.rsd import ChatRSD, Engine, Request, Sampling, TraversalVerification
from agentrt.serving.rsd.errors import (
    ContextExceeded,
    DraftLargerThanTarget,
    EngineClosed,
    InvalidRequest,
    InvalidSampling,
    InvalidTree,
    ModelPairError,
    NonFiniteLogits,
    VocabularyMismatch,
)
from agentrt.serving.rsd.text import TextStream

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY = 40


def tiny(seed: int = 0, vocabulary: int = VOCABULARY, layers: int = 2, noise_of: Any = None) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        initializer_range=0.3,
    )
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(config).float().eval()
    if noise_of is not None:
        model.load_state_dict(noise_of.state_dict())
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.1 * weight.std())
    return model


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models lose time to a thread pool, most of all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    target = tiny()
    return target, tiny(seed=1, noise_of=target)


PROMPTS = [[1, 2, 3], [7], [5, 9, 11, 4, 4, 8, 30], [12, 2]]


def greedy(target: Any, prompt: list[int], count: int) -> list[int]:
    tokens = torch.tensor([prompt])
    for _ in range(count):
        tokens = torch.cat([tokens, target(tokens).logits[:, -1:].argmax(-1)], dim=1)
    return tokens[0, len(prompt) :].tolist()


@pytest.mark.parametrize("tree", ["chain:4", "rsd-c:3-2-1", "rsd-s:3x4", "iid:2x3", "kseq:2x3"])
@pytest.mark.parametrize("traversal", [False, True])
def test_greedy_text_is_the_targets_own(pair: tuple[Any, Any], tree: str, traversal: bool) -> None:
    engine = Engine(*pair, tree=tree, verifier=TraversalVerification() if traversal else None, max_batch=3)
    requests = [Request(p, Sampling(temperature=0, max_tokens=20)) for p in PROMPTS]
    for prompt, done in zip(PROMPTS, engine.generate(requests), strict=True):
        assert list(done.tokens) == greedy(pair[0], prompt, 20)
        assert done.finish == "length"
    assert engine.counts.tokens_per_call > 1.2
    assert engine.counts.tokens == 80


def test_a_tree_that_changes_every_few_rounds_leaves_the_text_alone(pair: tuple[Any, Any]) -> None:
    engine = Engine(*pair, tree="auto", budget=9, max_batch=3)
    assert engine.chooser is not None
    used = set[str]()
    numbers = [engine.add(Request(p, Sampling(temperature=0, max_tokens=70))) for p in PROMPTS]
    texts: dict[int, list[int]] = {number: [] for number in numbers}
    while engine.busy:
        for progress in engine.step():
            texts[progress.request] += progress.tokens
        used.add(str(engine.shape))
    assert list(texts.values()) == [greedy(pair[0], prompt, 70) for prompt in PROMPTS]
    assert {"None", "chain:1", "rsd-s:3x3"} <= used
    assert all(engine.chooser.rate(shape) > 0 for shape in engine.chooser.candidates)


def test_recorded_passes_write_the_same_text(pair: tuple[Any, Any]) -> None:
    """What a CUDA graph does, on a CPU: inputs are copied to the recording's own memory, and the pass is repeated."""
    recorded = 0

    def recorder(compute: Callable[[], Any]) -> Callable[[], Any]:
        nonlocal recorded
        recorded += 1
        compute()
        return compute

    request = Request(PROMPTS[2], Sampling(temperature=0, max_tokens=40))
    engine = Engine(*pair, tree="rsd-s:3x3", recorder=recorder)
    assert engine.generate([request, request])[0].tokens == Engine(*pair).generate([request])[0].tokens
    assert 4 <= recorded < engine.counts.calls


def test_the_oldest_recording_is_dropped_when_there_are_too_many() -> None:
    from agentrt.serving.rsd.capture import Recordings

    recordings = Recordings(lambda compute: compute, limit=2)
    one = torch.ones(1)
    assert [float(recordings.run(key, (one * key,), lambda x: x + 1)) for key in (1, 2, 3, 1, 1)] == [2, 3, 4, 2, 2]
    assert len(recordings) == 2


def test_logprobs_are_the_targets_along_the_accepted_path(pair: tuple[Any, Any]) -> None:
    engine = Engine(*pair, tree="rsd-s:3x3")
    (done,) = engine.generate([Request(PROMPTS[2], Sampling(temperature=0.7, seed=5, max_tokens=15, logprobs=True))])
    text = torch.tensor([PROMPTS[2] + list(done.tokens)])
    wanted = torch.log_softmax(pair[0](text).logits[0].detach(), -1)
    start = len(PROMPTS[2]) - 1
    for i, (token, value) in enumerate(zip(done.tokens, done.logprobs, strict=True)):
        assert value == pytest.approx(float(wanted[start + i, token]), abs=1e-4)


def first_tokens(pair: tuple[Any, Any], sampling: Sampling, tree: str, requests: int) -> float:
    """p-value of the first token against the target's truncated distribution, computed here in another way."""
    logits = pair[0](torch.tensor([PROMPTS[0]])).logits[0, -1].double().detach() / sampling.temperature
    order = logits.argsort(descending=True)
    p = torch.softmax(logits, -1)
    if sampling.top_k:
        p[order[sampling.top_k :]] = 0
        p /= p.sum()
    before = p[order].cumsum(0) - p[order]
    p[order[before >= sampling.top_p]] = 0
    engine = Engine(*pair, tree=tree, max_batch=50, support=8)
    seen = np.zeros(VOCABULARY)
    ask = [
        Request(PROMPTS[0], Sampling(sampling.temperature, sampling.top_k, sampling.top_p, 1, seed))
        for seed in range(requests)
    ]
    for done in engine.generate(ask):
        seen[done.tokens[0]] += 1
    return chi_square(seen, (p / p.sum()).numpy())


SETTINGS = [
    (Sampling(), "rsd-s:3x2"),
    (Sampling(temperature=1.5, top_p=0.6), "rsd-c:3-1"),
    (Sampling(temperature=0.5), "rsd-c:3-1"),
    (Sampling(top_k=5, top_p=0.9), "rsd-s:3x2"),
]


@pytest.mark.parametrize(("sampling", "tree"), SETTINGS[1:2] + SETTINGS[3:])
def test_the_first_token_follows_the_truncated_target(pair: tuple[Any, Any], sampling: Sampling, tree: str) -> None:
    assert first_tokens(pair, sampling, tree, 300) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("sampling", "tree"), SETTINGS)
def test_the_first_token_follows_the_target_closely(pair: tuple[Any, Any], sampling: Sampling, tree: str) -> None:
    assert first_tokens(pair, sampling, tree, 4000) > 1e-4


def test_a_seed_repeats_its_text_in_any_company(pair: tuple[Any, Any]) -> None:
    request = Request(PROMPTS[2], Sampling(seed=9, max_tokens=24))
    alone = Engine(*pair).generate([request])[0]
    others = [Request(p, Sampling(seed=i, max_tokens=10 + 3 * i)) for i, p in enumerate(PROMPTS)]
    among = Engine(*pair, max_batch=3).generate([*others, request])[-1]
    assert alone.tokens == among.tokens


def test_the_end_of_the_context_ends_the_text(pair: tuple[Any, Any]) -> None:
    engine = Engine(*pair, tree="rsd-s:3x4", max_length=20)
    (done,) = engine.generate([Request([1] * 15, Sampling(temperature=0, max_tokens=50))])
    assert (len(done.tokens), done.finish) == (5, "length")
    assert list(done.tokens) == greedy(pair[0], [1] * 15, 5)
    with pytest.raises(ContextExceeded, match="20"):
        engine.add(Request([1] * 20))


def test_the_models_own_last_position_can_be_reached(pair: tuple[Any, Any]) -> None:
    (done,) = Engine(*pair, tree="chain:6").generate([Request([3] * 90, Sampling(temperature=0, max_tokens=50))])
    assert list(done.tokens) == greedy(pair[0], [3] * 90, 6)


def test_a_cancelled_request_ends_and_the_others_go_on(pair: tuple[Any, Any]) -> None:
    engine = Engine(*pair, max_batch=2)
    numbers = [engine.add(Request(p, Sampling(temperature=0, max_tokens=30))) for p in PROMPTS[:3]]
    tokens: dict[int, list[int]] = {n: [] for n in numbers}
    ended: dict[int, str | None] = {}
    engine.step()
    engine.cancel(numbers[0])
    engine.cancel(12345)
    while engine.busy:
        for progress in engine.step():
            tokens[progress.request] += progress.tokens
            ended[progress.request] = progress.finish
    assert ended == {numbers[0]: "cancelled", numbers[1]: "length", numbers[2]: "length"}
    assert tokens[numbers[2]] == greedy(pair[0], PROMPTS[2], 30)


def test_an_end_token_ends_the_text(pair: tuple[Any, Any]) -> None:
    wanted = greedy(pair[0], PROMPTS[0], 20)
    end = wanted[6]
    request = Request(PROMPTS[0], Sampling(temperature=0, max_tokens=20), frozenset([end]))
    (done,) = Engine(*pair).generate([request])
    assert list(done.tokens) == wanted[: wanted.index(end) + 1]
    assert done.finish == "stop"


def test_models_that_do_not_fit_are_refused_before_the_first_token(pair: tuple[Any, Any]) -> None:
    with pytest.raises(VocabularyMismatch, match="40 tokens and the draft 41"):
        Engine(pair[0], tiny(vocabulary=41))
    with pytest.raises(DraftLargerThanTarget):
        Engine(pair[0], tiny(layers=3))
    with pytest.raises(InvalidTree, match="budget"):
        Engine(*pair, tree="rsd-s:5x6", max_batch=4, token_budget=100)
    windowed = tiny()
    windowed.config.layer_types = ["sliding_attention", "full_attention"]
    with pytest.raises(ModelPairError, match="sliding_attention"):
        Engine(windowed)


@pytest.mark.parametrize("which", ["target", "draft"])
def test_nan_logits_are_an_error_and_leave_the_engine_usable(pair: tuple[Any, Any], which: str) -> None:
    broken = tiny(seed=1, noise_of=pair[0])
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    engine = Engine(*((broken, pair[1]) if which == "target" else (pair[0], broken)))
    with pytest.raises(NonFiniteLogits, match=which):
        engine.generate([Request(PROMPTS[0])])
    assert not engine.busy


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_k": -1},
        {"max_tokens": 0},
        {"stop": ("",)},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSampling):
        Sampling(**settings)


def test_an_empty_prompt_and_a_closed_engine_are_refused(pair: tuple[Any, Any]) -> None:
    with pytest.raises(InvalidRequest):
        Request([])
    engine = Engine(*pair)
    engine.close()
    with pytest.raises(EngineClosed):
        engine.add(Request([1]))


class Letters:
    """A tokenizer of one letter a token, as far as the engine and the chat model need one."""

    eos_token_id = None

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        return "".join(chr(97 + t % 26) for t in token_ids)

    def apply_chat_template(self, messages: list[dict[str, str]], **settings: Any) -> list[int]:
        return [ord(c) % VOCABULARY for m in messages for c in m["content"]]


def test_stop_strings_are_cut_out_even_across_rounds() -> None:
    stream = TextStream(Letters(), ["cde"])
    shown = ""
    for token in [0, 1, 2, 3, 4, 5]:
        stream.push(token)
        shown += stream.take()
        assert not shown.endswith("c")
    assert stream.stopped
    assert shown + stream.take(final=True) == "ab"


def test_half_characters_are_held_back() -> None:
    class Bytes:
        def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
            return bytes(token_ids).decode(errors="replace")

    stream, shown = TextStream(Bytes(), []), ""
    for byte in "a€b".encode():
        stream.push(byte)
        shown += stream.take()
        assert "\N{REPLACEMENT CHARACTER}" not in shown
    assert shown + stream.take(final=True) == "a€b"


def chat(pair: tuple[Any, Any], **settings: Any) -> ChatRSD:
    return ChatRSD(engine=Engine(*pair, decoder=Letters()), tokenizer=Letters(), max_tokens=12, **settings)


def test_the_chat_model_answers_and_streams_the_same_text(pair: tuple[Any, Any]) -> None:
    model = chat(pair, logprobs=True)
    answer = model.invoke("hello")
    wanted = greedy(pair[0], [ord(c) % VOCABULARY for c in "hello"], 12)
    assert answer.content == Letters().decode(wanted, skip_special_tokens=True)
    assert "".join(str(chunk.content) for chunk in model.stream("hello")) == answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 12
    assert len(answer.response_metadata["logprobs"]) == 12
    stop = str(answer.content)[4:6]
    assert model.invoke("hello", stop=[stop]).content == str(answer.content).split(stop)[0]


@pytest.mark.asyncio
async def test_concurrent_calls_share_the_engine(pair: tuple[Any, Any]) -> None:
    model = chat(pair)
    answers: dict[str, str] = {}

    async def ask(text: str) -> None:
        answers[text] = str((await model.ainvoke(text)).content)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for text in ("one", "three", "eleven"):
                group.start_soon(ask, text)
    for text, answer in answers.items():
        assert answer == Letters().decode(
            greedy(pair[0], [ord(c) % VOCABULARY for c in text], 12), skip_special_tokens=True
        )


@pytest.mark.asyncio
async def test_a_cancelled_call_frees_its_place(pair: tuple[Any, Any]) -> None:
    model = chat(pair)
    with anyio.fail_after(30):
        with anyio.move_on_after(0):
            await model.ainvoke("hello", max_tokens=80)
        answer = await model.ainvoke("again")
    assert len(str(answer.content)) == 12


def test_closing_a_stream_cancels_its_request(pair: tuple[Any, Any]) -> None:
    model = chat(pair)
    stream = model._stream(model._convert_input("hello").to_messages(), max_tokens=80)
    next(stream)
    stream.close()
    assert [p.finish for p in model.engine.step()] == ["cancelled"]
    assert not model.engine.busy
