"""Counts tokens as the model that will read a text does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from kg_rag.context.pruning import TokenCounter


def tokenizer_counter(path: str | Path) -> TokenCounter:
    """A counter from a model's `tokenizer.json`, or the folder that holds it. Needs the package `tokenizers`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    file = Path(path)
    file = file / "tokenizer.json" if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(f"{file}: a tokenizer is one tokenizer.json, as checkpoints hold it")
    library: Any = import_module("tokenizers")
    tokenizer: Any = library.Tokenizer.from_file(str(file))

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count
