"""The tokenizer that budgets are counted with."""

from __future__ import annotations

import os
from pathlib import Path

from kg_rag.context.pruning import TokenCounter, estimate_tokens


def counter() -> tuple[TokenCounter, str]:
    """The tokenizer of the model that is used for end-to-end figures where it is here, else the estimate."""
    home = Path(os.environ.get("AGENTRT_HOME", Path.home() / ".cache" / "agentrt"))
    found = sorted((home / "models").glob("qwen2.5-coder-1.5b/**/tokenizer.json"))
    if not found:
        return estimate_tokens, "the built-in estimate"
    from kg_rag.context.tokens import tokenizer_counter

    return tokenizer_counter(found[0]), "Qwen2.5's tokenizer"
