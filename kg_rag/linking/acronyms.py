"""Acronyms: whether a short name is made of the beginnings of a long one's words, and the key to look them up by.

`IBD17` is `inflammatory bowel disease 17`, `COXPD30` is `combined oxidative phosphorylation deficiency 30`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from kg_rag.linking.rewrites import LINKING_WORDS

_SHAPE = re.compile(r"([a-z]{2,8})(\d{0,3}[a-z]?)$")
_MOST_WORDS = 10


def is_acronym(mention: str) -> bool:
    """Whether a mention, as it is written, looks like one: a few letters, most of them capitals, and maybe a number."""
    letters = [c for c in mention if c.isalpha()]
    capitals = sum(c.isupper() for c in letters)
    return 2 <= len(letters) <= 9 and capitals >= 2 and capitals > len(letters) / 2 and len(mention.split()) < 3


def initials(words: Sequence[str]) -> str:
    """The key of a name: first letters of its words, then its numbers; nothing for names of one word or many."""
    content = [word for word in words if word not in LINKING_WORDS]
    letters = [word[0] for word in content if word[0].isalpha()]
    if not 2 <= len(letters) <= _MOST_WORDS:
        return ""
    return "".join([*letters, *(word for word in content if not word[0].isalpha())])


def spelt(short: str, words: Sequence[str]) -> float:
    """How much of a name an acronym stands for: the share of its words that begin with a letter of it, in order.

    Args:
        short: a normalised mention without blanks.
        words: the words of a normalised name.

    Returns:
        0 where letters are left over or the numbers differ.
    """
    content = [word for word in words if word not in LINKING_WORDS][:_MOST_WORDS]
    numbers = "".join(word for word in content if not word[0].isalpha())
    stems = [word for word in content if word[0].isalpha()]
    letters = short.removesuffix(numbers) if numbers else short
    if len(stems) < 2 or not letters.isalpha() or not 2 <= len(letters) <= 8 or (numbers and letters == short):
        return 0.0
    used = _used(letters, tuple(stems))
    return used / len(stems) if used >= 2 or (used and len(letters) > 2) else 0.0


@lru_cache(maxsize=20_000)
def _inside(letters: str, word: str) -> bool:
    """Whether a word begins with the first of some letters and holds the others in their order."""
    place = iter(word)
    return word[0] == letters[0] and all(letter in place for letter in letters)


def _used(letters: str, words: tuple[str, ...]) -> int:
    """The most words that, in their order, give all the letters, each word its first one at least; 0 where none do."""
    # best[i]: how many words were used so that the first i letters are given; a word may also give nothing.
    best: dict[int, int] = {0: 0}
    for word in words:
        for done, used in sorted(best.items(), reverse=True):
            for ahead in range(done + 1, len(letters) + 1):
                if not _inside(letters[done:ahead], word):
                    break
                best[ahead] = max(used + 1, best.get(ahead, 0))
    return best.get(len(letters), 0)


def key_of(text: str) -> str:
    """A normalised mention as `initials` would write it, or nothing where it has another shape."""
    joined = text.replace(" ", "")
    return joined if _SHAPE.match(joined) else ""
