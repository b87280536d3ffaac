"""An engine from two checkpoint folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from agentrt.serving.rsd.engine import Engine
from agentrt.serving.rsd.model import check_tokenizers


def load_engine(
    target: Path,
    draft: Path | None = None,
    *,
    dtype: torch.dtype = torch.bfloat16,
    device: str = "cpu",
    **settings: Any,
) -> tuple[Engine, Any]:
    """Load target and draft from transformers checkpoint folders.

    Args:
        target: folder of the target model and its tokenizer.
        draft: folder of the draft; None decodes plainly.
        dtype: weights' type; greedy text is identical to plain decoding in float32 only.
        device: where both models live.
        settings: further arguments of `Engine`.

    Returns:
        The engine, and the target's tokenizer for `ChatRSD`.

    Raises:
        ModelPairError: the models, or their tokenizers, do not fit together.
    """
    auto: Any = transformers
    tokenizer = auto.AutoTokenizer.from_pretrained(target, local_files_only=True)
    if draft is not None:
        check_tokenizers(tokenizer, auto.AutoTokenizer.from_pretrained(draft, local_files_only=True))
    models = [
        auto.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device)
        for folder in (target, draft)
        if folder is not None
    ]
    return Engine(*models, decoder=tokenizer, **settings), tokenizer
