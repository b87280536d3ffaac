"""Which passages to label next: those whose relations a model is least sure of, and no two alike.

Entropy of the predicted relation, as in graph-enhanced active sampling; here a maximum-entropy model over the passage's
words gives the distribution, and a passage's score falls with its likeness to those already chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from kg_rag.words import normalise


def choose_passages(
    passages: Sequence[str], labelled: Sequence[tuple[str, str]], count: int, *, novelty: float = 0.5
) -> list[int]:
    """The passages to label next, most useful first.

    Args:
        passages: unlabelled passages.
        labelled: passages with the relation they state.
        count: how many to choose.
        novelty: 0 looks at entropy alone, 1 mostly at unlikeness to what was chosen.

    Returns:
        Positions in `passages`. With fewer than two relations labelled, passages are chosen for novelty alone.
    """
    text: Any = import_module("sklearn.feature_extraction.text")
    vectorizer = text.TfidfVectorizer(preprocessor=normalise, token_pattern=r"\S+")
    seen = vectorizer.fit_transform([*passages, *(one for one, _ in labelled)])
    vectors = seen[: len(passages)]
    entropy = np.ones(len(passages))
    relations = sorted({relation for _, relation in labelled})
    if len(relations) > 1:
        linear: Any = import_module("sklearn.linear_model")
        model = linear.LogisticRegression(max_iter=500).fit(seen[len(passages) :], [one for _, one in labelled])
        p = np.clip(model.predict_proba(vectors), 1e-12, 1.0)
        entropy = -(p * np.log(p)).sum(axis=1) / np.log(len(relations))
    chosen: list[int] = []
    nearest = np.zeros(len(passages))
    left = np.ones(len(passages), np.bool_)
    while len(chosen) < min(count, len(passages)):
        best = int(np.argmax(np.where(left, entropy - novelty * nearest, -np.inf)))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, (vectors @ vectors[best].T).toarray().ravel())
    return chosen
