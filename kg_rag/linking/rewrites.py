"""Rewriting rules between the names of one thing, learnt from a graph's own synonyms.

Where many nodes are called both `X carcinoma` and `X cancer`, an unknown `Y carcinoma` may be the `Y cancer` the graph
knows; where `IMD7` and `immunodeficiency 7` are one, `IMD58` is likely `immunodeficiency 58`. A rule is what is left
of two names of a node once their common words are gone, and counts once a node.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

LINKING_WORDS = frozenset({"of", "the", "a", "an", "in", "on", "for", "with", "by", "to"})
_SERIES = re.compile(r"([a-z]{2,})(\d+[a-z]?)$")
_LONGEST = 3
_NUMBER = "#"


def key(words: Iterable[str]) -> str:
    """The words that matter of a name, in order: `cancer of the lung` and `lung cancer` have one key."""
    content = list(words)
    return " ".join(sorted([word for word in content if word not in LINKING_WORDS] or content))


def learn(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The rules two normalised names of one node give, both ways: what to take away, and what to put there."""
    for one, other in combinations(dict.fromkeys(names), 2):
        for these, those in ((one, other), (other, one)):
            if series := _SERIES.fullmatch(these):
                rest = those.split()
                if series[2] in rest:
                    rest[rest.index(series[2])] = _NUMBER
                    yield f"{series[1]}{_NUMBER}", " ".join(rest)
        left, right = Counter(key(one.split()).split()), Counter(key(other.split()).split())
        gone, new = list((left - right).elements()), list((right - left).elements())
        if not left & right or max(len(gone), len(new)) > _LONGEST or not (gone or new):
            continue
        if any(any(c.isdigit() for c in word) for word in (*gone, *new)):
            continue
        yield " ".join(sorted(gone)), " ".join(sorted(new))
        yield " ".join(sorted(new)), " ".join(sorted(gone))


def left_sides(words: Sequence[str]) -> list[str]:
    """What rules may take away from a mention: up to three of its words, nothing at all, or an acronym's letters."""
    content = key(words).split()
    found = {""}
    for size in range(1, _LONGEST + 1):
        if size < len(content) <= 8 or size == 1:
            found.update(" ".join(sorted(some)) for some in combinations(content, size))
    found.update(f"{series[1]}{_NUMBER}" for word in words if (series := _SERIES.fullmatch(word)))
    return sorted(found)


def left_over(words: Sequence[str], gone: str) -> list[str] | None:
    """The words of a mention after a rule's left side is taken away; None where it is not there, or leaves nothing.

    For an acronym's letters what is left is its number, last, and the other words.
    """
    if gone.endswith(_NUMBER):
        for at, word in enumerate(words):
            series = _SERIES.fullmatch(word)
            if series and f"{series[1]}{_NUMBER}" == gone:
                return [*words[:at], *words[at + 1 :], series[2]]
        return None
    left = key(words).split()
    for word in gone.split():
        if word not in left:
            return None
        left.remove(word)
    return left or None


def put(left: Sequence[str], gone: str, new: str) -> str:
    """The key of a mention with a rule's right side in place of its left side; `left` is from `left_over`."""
    if gone.endswith(_NUMBER):
        return key([*left[:-1], *new.replace(_NUMBER, left[-1]).split()])
    return " ".join(sorted([*left, *new.split()]))
