"""Sentence embeddings: a small port, and WordLlama, which runs without torch in a fraction of a millisecond."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""(texts, size), rows of unit length."""


class Embedder(ABC):
    """Turns texts into vectors whose dot product says how alike they are."""

    size: int

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text; the zero vector for a text without known words."""


class WordLlamaEmbedder(Embedder):
    """WordLlama's token embeddings, 256 numbers a text. Needs the package `wordllama`; nothing is downloaded."""

    size = 256

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.size), np.float32)
        raw = np.asarray(_model().embed(list(texts)), np.float32)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.divide(raw, lengths, out=np.zeros_like(raw), where=lengths > 0)


@lru_cache(maxsize=1)
def _model() -> Any:
    wordllama: Any = import_module("wordllama")
    folder = Path(str(wordllama.__file__)).parent
    # The weights lie in the package; its plain `load()` would ask a hub for them.
    return wordllama.WordLlama.load(cache_dir=folder, trunc_dim=WordLlamaEmbedder.size, disable_download=True)
