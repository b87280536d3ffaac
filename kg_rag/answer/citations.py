"""Checks what an answer cites: ids that were never given, and sentences that nothing they cite supports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kg_rag.context.builder import Context
from kg_rag.words import FUNCTION_WORDS, words

_GROUP = re.compile(r"\[\s*(E\d+(?:\s*[,;]\s*E\d+)*)\s*\]")
_UNCITED = re.compile(rf"\s*{_GROUP.pattern}")
_ID = re.compile(r"E\d+")
# A full stop ends a sentence before a blank, never inside `E. coli` or `no. 5`; graph names may begin in lower case.
_END = re.compile(r"(?<=[.!?])(?P<cites>(?:\s*\[[^\]\n]*\])*)\s+(?=[A-Za-z\"'(\d])|\n+")
_ABBREVIATION = re.compile(r"(?:\b[A-Za-z]|\b(?:no|vs|cf|etc|approx|Dr|St|Mr|Mrs|Ms|e\.g|i\.e))\.$")

Verdict = Literal["supported", "uncited", "unknown id", "unsupported"]


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """One sentence of an answer.

    Attributes:
        text: the sentence without its citations.
        cites: the evidence ids it names, in order.
        unknown: those that were not given.
        verdict: `supported` when a cited line shares a name with it; `uncited` when it cites nothing; `unknown id` when
            one of its ids was not given; `unsupported` when no cited line is about what it says.
    """

    text: str
    cites: tuple[str, ...]
    unknown: tuple[str, ...]
    verdict: Verdict


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, each with the citations that follow it."""
    parts: list[str] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end("cites") if match.group("cites") is not None else match.start()
        piece = text[start:end]
        if _ABBREVIATION.search(text[start : match.start()]) and "\n" not in match.group():
            continue
        parts.append(piece)
        start = match.end()
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def check_citations(answer: str, context: Context) -> list[CitedSentence]:
    """Every sentence of an answer with what it cites and whether that holds."""
    return [_check(sentence, context) for sentence in split_sentences(answer)]


def _check(sentence: str, context: Context) -> CitedSentence:
    cites = tuple(dict.fromkeys(one for group in _GROUP.findall(sentence) for one in _ID.findall(group)))
    text = " ".join(_UNCITED.sub("", sentence).split())
    given = [found for one in cites if (found := context.find(one))]
    unknown = tuple(one for one in cites if context.find(one) is None)
    verdict: Verdict = "supported"
    if not cites:
        verdict = "uncited"
    elif unknown:
        verdict = "unknown id"
    elif not any(_about(text, found.triple) for found in given):
        verdict = "unsupported"
    return CitedSentence(text, cites, unknown, verdict)


def _about(text: str, triple: Sequence[str]) -> bool:
    """Whether a sentence names one end of a triple: most of the end's words are in it."""
    said = {word.text for word in words(text)}
    for name in (triple[0], triple[2]):
        content = {word.text for word in words(name)} - FUNCTION_WORDS
        if content and len(content & said) >= max(1, (len(content) + 1) // 2):
            return True
    return False
