"""How likely a name of the graph is what a mention means: features of the pair, and a logistic model over them.

The weights below were fitted on half of the Disease Ontology's terms (`python -m benchmarks.kg --fit` makes them);
`Ranking.fit` makes others from labelled mentions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from kg_rag.linking.acronyms import spelt

FEATURES = (
    "cosine",
    "edit ratio",
    "sorted edit ratio",
    "mention covered",
    "name covered",
    "numbers agree",
    "first word agrees",
    "same words",
    "embedding cosine",
    "own name",
    "a rule makes it",
    "how often the rule held",
    "spelt out",
)

_ROMAN = {
    "i": "1",
    "ii": "2",
    "iii": "3",
    "iv": "4",
    "v": "5",
    "vi": "6",
    "vii": "7",
    "viii": "8",
    "ix": "9",
    "x": "10",
}
_SAME_WORD = 0.8
_NUMERAL = re.compile(r"(viii|vii|vi|iv|ix|iii|ii|i|v|x)([a-h]?)")


def features(
    mention: str,
    name: str,
    cosine: float,
    meaning: float,
    rank: int,
    support: int,
    rarity: Callable[[str], float],
    *,
    acronym: bool = False,
) -> list[float]:
    """The features of a pair of normalised names, in the order of `FEATURES`, each from 0 to 1.

    `acronym` says that the mention is written like one.
    """
    mention_words, name_words = mention.split(), name.split()
    return [
        cosine,
        fuzz.ratio(mention, name) / 100,
        fuzz.token_sort_ratio(mention, name) / 100,
        _covered(mention_words, name_words, rarity),
        _covered(name_words, mention_words, rarity),
        float(_numbers(mention) == _numbers(name)),
        float(bool(mention_words and name_words) and _alike(mention_words[0], name_words[0]) >= _SAME_WORD),
        float(sorted(mention_words) == sorted(name_words)),
        meaning,
        float(rank == 0),
        float(support > 0),
        support / (support + 10),
        spelt(mention.replace(" ", ""), name_words) if acronym else 0.0,
    ]


@dataclass(frozen=True, slots=True)
class Ranking:
    """A logistic model over `FEATURES`.

    Attributes:
        weights: one a feature.
        bias: added to the weighted sum.
        threshold: the least probability at which a candidate is linked.
    """

    weights: tuple[float, ...]
    bias: float
    threshold: float

    def probabilities(self, rows: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
        """The probability that each pair is a match."""
        if not rows:
            return np.zeros(0)
        return 1 / (1 + np.exp(-(np.asarray(rows) @ np.asarray(self.weights) + self.bias)))

    @classmethod
    def fit(cls, rows: Sequence[Sequence[float]], right: Sequence[bool], threshold: float = 0.5) -> Ranking:
        """Fits the model to pairs and whether each is a match. Needs scikit-learn."""
        linear: Any = import_module("sklearn.linear_model")
        model = linear.LogisticRegression(C=10.0, max_iter=2000).fit(np.asarray(rows), np.asarray(right))
        return cls(tuple(round(float(w), 4) for w in model.coef_[0]), round(float(model.intercept_[0]), 4), threshold)


def _covered(these: Sequence[str], those: Sequence[str], rarity: Callable[[str], float]) -> float:
    """How much of `these`, by rarity, has a like word among `those`."""
    if not these:
        return 0.0
    weights = [rarity(word) for word in these]
    exact = set(those)
    matched = [1.0 if word in exact else max((_alike(word, other) for other in those), default=0.0) for word in these]
    kept = sum(w * m for w, m in zip(weights, matched, strict=True) if m >= _SAME_WORD - 0.1)
    return kept / (sum(weights) or 1.0)


def _alike(one: str, other: str) -> float:
    if one == other:
        return 1.0
    shorter, longer = sorted((len(one), len(other)))
    if shorter < 3 or longer - shorter > 0.3 * longer or one.isdigit() or other.isdigit():
        return 0.0
    return OSA.normalized_similarity(one, other, score_cutoff=_SAME_WORD - 0.1)


@lru_cache(maxsize=4096)
def _numbers(name: str) -> frozenset[str]:
    return frozenset(
        _arabic(word) for word in name.split() if _NUMERAL.fullmatch(word) or len(word) == 1 or not word.isalpha()
    )


def _arabic(word: str) -> str:
    """`ib` and `1b` are one number, as are `iv` and `4`."""
    numeral = _NUMERAL.fullmatch(word)
    return f"{_ROMAN[numeral[1]]}{numeral[2]}" if numeral else word


DEFAULT = Ranking(
    weights=(-3.3604, -1.1705, 3.6977, 4.1026, 2.4735, 2.0292, 1.009, 4.9741, 0.0, -1.0312, 0.5932, 4.4555, 10.2848),
    bias=-8.3974,
    threshold=0.15,
)
"""Fitted on the Disease Ontology's train half, where F1 of abstention is flat from 0.15 to 0.25: 0.15 links most."""
