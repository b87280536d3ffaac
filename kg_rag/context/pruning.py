"""Which sentences stay: KG-RAG's percentile rule, maximal marginal relevance, and a hard token budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from kg_rag.graph import Scores

TokenCounter = Callable[[str], int]
"""How many tokens the model that will read a text makes of it."""


def estimate_tokens(text: str) -> int:
    """A guess where no tokenizer is at hand: two tokens a word, or one for three bytes if that is more.

    Byte-pair tokenizers make fewer tokens than this of prose and about as many of gene symbols and drug names.
    """
    return max(2 * len(text.split()), (len(text.encode()) + 2) // 3)


def percentile_rule(similarities: Scores, *, percentile: float = 75.0, minimum: float = 0.5) -> npt.NDArray[np.int64]:
    """The rule of Soman et al. (2024): above the given percentile of all similarities, and above a minimum.

    Returns:
        Positions that stay, best first.
    """
    if not len(similarities):
        return np.zeros(0, np.int64)
    bar = np.percentile(similarities, percentile)
    stay = np.flatnonzero((similarities >= bar) & (similarities > minimum))
    return stay[np.argsort(-similarities[stay], kind="stable")]


def mmr(relevance: Scores, vectors: npt.NDArray[np.float32], count: int, *, trade: float = 0.7) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): relevant, and unlike what was taken already.

    Args:
        relevance: one a sentence.
        vectors: unit vectors of the sentences.
        count: how many to take.
        trade: 1 looks at relevance alone, 0 at novelty alone.

    Returns:
        Positions in the order they were taken.
    """
    taken: list[int] = []
    nearest = np.zeros(len(relevance))
    left = np.ones(len(relevance), np.bool_)
    while len(taken) < min(count, len(relevance)):
        values = np.where(left, trade * relevance - (1 - trade) * nearest, -np.inf)
        best = int(np.argmax(values))
        taken.append(best)
        left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return taken


def within_budget(lines: Sequence[str], budget: int, count_tokens: TokenCounter) -> tuple[list[int], int]:
    """The first lines, in order, that fit a budget together; a line too long for what is left is passed over.

    Lines are counted one by one with their line break. Tokenizers never merge across a line break in a way that makes
    the whole longer than its parts, so the joined text holds no more tokens than the sum.

    Returns:
        Positions that fit, and the tokens they take.
    """
    kept: list[int] = []
    used = 0
    misses = 0
    for at, line in enumerate(lines):
        size = count_tokens(f"{line}\n")
        if used + size <= budget:
            kept.append(at)
            used += size
            misses = 0
        elif (misses := misses + 1) >= _MISSES:
            break
    return kept, used


_MISSES = 20
