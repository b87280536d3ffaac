"""Is this answer right? Task metrics: from 0 (wrong) to 1 (right), for one answer and its references."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

Metric = Callable[[str | None, str | Sequence[str]], float]
"""Scores an answer (None: no answer was given) against one reference or several, of which the best counts."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))
_NUMBER = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_CHOICE = re.compile(r"(?<![A-Za-z0-9])\(?([A-Ja-j])\)?(?![A-Za-z0-9'])")


def normalise(answer: str) -> str:
    """Lower case, no punctuation, no articles, single spaces: as SQuAD's evaluation compares answers."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def f1(answer: str | None, reference: str | Sequence[str]) -> float:
    """Token-overlap F1 after `normalise` (Rajpurkar et al. 2016)."""
    return _best(answer, reference, _f1_of_one)


def exact_match(answer: str | None, reference: str | Sequence[str]) -> float:
    """1 where both are equal after `normalise`."""
    return _best(answer, reference, lambda given, wanted: float(normalise(given) == normalise(wanted)))


def numeric(answer: str | None, reference: str | Sequence[str]) -> float:
    """1 where the last number of the answer equals the reference's last number ("#### 18", "$1,200.00")."""
    return _best(answer, reference, _same_number)


def choice(answer: str | None, reference: str | Sequence[str]) -> float:
    """1 where the answer names the reference's option letter: `B`, `(b)`, `B. because …`."""
    return _best(answer, reference, _same_choice)


def same_answer(one: str, other: str) -> bool:
    """Whether two agents mean the same: equal after `normalise`, or equal numbers where both are bare numbers."""
    if normalise(one) == normalise(other):
        return bool(normalise(one)) or one.strip() == other.strip()
    left, right = _bare_number(one), _bare_number(other)
    return left is not None and left == right


def last_number(text: str) -> Decimal | None:
    """The last number written in a text, thousands commas allowed."""
    found = _NUMBER.findall(text)
    return _decimal(found[-1]) if found else None


METRICS: dict[str, Metric] = {"f1": f1, "exact": exact_match, "numeric": numeric, "choice": choice}
"""The task metrics by the names the command line uses."""


def _best(answer: str | None, reference: str | Sequence[str], score: Callable[[str, str], float]) -> float:
    if answer is None:
        return 0.0
    references = (reference,) if isinstance(reference, str) else reference
    return max((score(answer, wanted) for wanted in references), default=0.0)


def _f1_of_one(answer: str, reference: str) -> float:
    given, wanted = normalise(answer).split(), normalise(reference).split()
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))


def _same_number(answer: str, reference: str) -> float:
    given, wanted = last_number(answer), last_number(reference)
    return float(given is not None and given == wanted)


def _same_choice(answer: str, reference: str) -> float:
    given, wanted = _CHOICE.search(answer), _CHOICE.search(reference)
    return float(given is not None and wanted is not None and given[1].lower() == wanted[1].lower())


def _bare_number(text: str) -> Decimal | None:
    bare = text.strip().strip("$€£%.").strip()
    return _decimal(bare) if _NUMBER.fullmatch(bare) else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None
