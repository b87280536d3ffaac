"""A real model: SmolLM2 with a noisy copy of itself as draft writes what it writes alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agentrt.serving.rsd import Engine, Request, Sampling

FOLDER = Path(os.environ.get("AGENTRT_RSD_TARGET", Path.home() / ".cache/agentrt/models/smollm2-135m/bf16"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (FOLDER / "config.json").exists(), reason="needs the SmolLM2-135M checkpoint"),
]


def noisy_copy(folder: Path | None = None) -> Any:
    """SmolLM2 with noise of a tenth of each weight's spread; saved to `folder`, with the tokenizer, if given."""
    import torch
    import transformers

    draft = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in draft.parameters():
            if weight.dim() == 2:
                weight.add_(torch.randn(weight.shape, generator=generator) * weight.std() * 0.1)
    if folder is None:
        return draft
    draft.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any, Any]:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    target = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    return target, noisy_copy(), transformers.AutoTokenizer.from_pretrained(FOLDER)


@pytest.mark.parametrize("tree", ["chain:4", "rsd-c:2-2-1", "rsd-s:3x4"])
def test_greedy_text_in_float32_is_identical(models: tuple[Any, Any, Any], tree: str) -> None:
    target, draft, tokenizer = models
    prompts = ["The capital of the country was", "She opened the door and saw", "def fibonacci(n):\n", "Water boils at"]
    requests = [Request(tokenizer(p).input_ids, Sampling(temperature=0, max_tokens=32)) for p in prompts]
    plain = Engine(target, None, decoder=tokenizer, max_length=256).generate(requests)
    engine = Engine(target, draft, tree=tree, decoder=tokenizer, max_length=256)
    assert engine.generate(requests) == plain
    assert engine.counts.tokens_per_call > 1.5
