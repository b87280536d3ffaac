"""Words of names and questions: one tokenisation for both, so that a name found in a question is the same string."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

# Letters and digits, joined by an apostrophe; or a run of other signs that stands alone, since films are called "$".
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|(?<!\S)[^\w\s]+(?!\S)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")

FUNCTION_WORDS = frozenset(
    """a about after all also an and any are as at be been being between both but by can cannot common commonly could
    did do does during each either false find following for from give given had has have he her his how i if in into
    involve involved is it its kind least list many may me might more most much must name named neither no nor not of
    off on one only or other others our out question same she should show so some statement such tell than that
    the their them then there these they this those through to true two type under was we were what when where whether
    which while who whom whose why will with within without would you your""".split()  # noqa: SIM905 - a list of 150 quoted words reads worse
)
"""Words that ask or join and are never by themselves the name of something, whatever a graph calls its nodes."""


class Word(NamedTuple):
    """One word of a text: its folded form and where it stands."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """A word without case, accents, compatibility forms and apostrophes."""
    if text.isascii():
        return text.lower().replace("'", "") or text
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # A fraction sign or ligature may come apart into signs; a word keeps its letters and digits alone.
    return "".join(c for c in decomposed if c.isalnum()) or decomposed.strip()


def words(text: str) -> list[Word]:
    """The words of a text in order, with their places in it."""
    return [Word(fold(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]


def list_markers(question: str, tokens: Sequence[Word]) -> set[int]:
    """Which words number the options of a question: `1. ` and `2. ` and so on, which are part of no name."""
    found: list[int] = []
    for at, word in enumerate(tokens):
        if word.text == str(len(found) + 1) and question[word.end : word.end + 2] in (". ", ") "):
            found.append(at)
    return set(found) if len(found) > 1 else set()


def normalise(text: str) -> str:
    """A name as it is compared: its folded words, one blank between two."""
    return " ".join(fold(found) for found in _WORD.findall(text)) or fold(text.strip())


def one_line(text: str, limit: int = 300) -> str:
    """Text from a graph as it may stand in a sentence: no control characters or line breaks, and an end."""
    flat = " ".join(_CONTROL.sub(" ", text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
