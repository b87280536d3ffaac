"""How far raters agree beyond chance: Cohen's κ for two, Fleiss' κ for several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class JuryStatistics:
    """Agreement of a jury over several questions.

    Attributes:
        questions: how many were judged by all judges.
        unanimous: share of them with one opinion.
        cohen: κ of each pair of judges.
        fleiss: κ of all judges together.
        against_labels: κ of each judge, and of the vote (`(jury)`), against the labels; empty without labels.
    """

    questions: int
    unanimous: float
    cohen: Mapping[tuple[str, str], float]
    fleiss: float
    against_labels: Mapping[str, float]


def cohen_kappa(one: Sequence[str], other: Sequence[str]) -> float:
    """Cohen's κ (1960): (p_o − p_e) / (1 − p_e). 1 where both always say the same single thing.

    Args:
        one: labels of the first rater, an item each.
        other: labels of the second, for the same items.

    Raises:
        ValueError: the lengths differ or there is no item.
    """
    if len(one) != len(other) or not one:
        raise ValueError(f"kappa compares raters of the same items; got {len(one)} and {len(other)} labels")
    items = len(one)
    observed = sum(left == right for left, right in zip(one, other, strict=True)) / items
    left_counts, right_counts = Counter(one), Counter(other)
    expected = sum(left_counts[label] * right_counts[label] for label in left_counts) / items**2
    return 1.0 if expected == 1.0 else (observed - expected) / (1 - expected)


def fleiss_kappa(ratings: Sequence[Sequence[str]]) -> float:
    """Fleiss' κ (1971).

    Args:
        ratings: for each item the labels of its raters; every item has the same number, two at least.

    Raises:
        ValueError: there is no item, or the numbers of raters differ.
    """
    raters = len(ratings[0]) if ratings else 0
    if raters < 2 or any(len(labels) != raters for labels in ratings):
        raise ValueError("Fleiss' kappa needs items that were each rated by the same two raters or more")
    total = Counter(label for labels in ratings for label in labels)
    pairs = raters * (raters - 1)
    observed = sum(sum(n * (n - 1) for n in Counter(labels).values()) / pairs for labels in ratings) / len(ratings)
    expected = sum((n / (raters * len(ratings))) ** 2 for n in total.values())
    return 1.0 if expected == 1.0 else (observed - expected) / (1 - expected)


def jury_statistics(votes: Sequence[Mapping[str, str]], labels: Sequence[str] | None = None) -> JuryStatistics:
    """Agreement of judges over questions.

    Args:
        votes: for each question, what each judge voted. Questions that some judge left out are not counted.
        labels: for each question, what is right.

    Raises:
        ValueError: no question was judged by all of two judges or more, or `labels` has another length.
    """
    if labels is not None and len(labels) != len(votes):
        raise ValueError(f"{len(votes)} questions were judged, but there are {len(labels)} labels")
    judges = sorted({judge for cast in votes for judge in cast})
    whole = [at for at, cast in enumerate(votes) if len(cast) == len(judges)]
    if len(judges) < 2 or not whole:
        raise ValueError("agreement needs two judges or more, and a question that all of them voted on")
    columns = {judge: [votes[at][judge] for at in whole] for judge in judges}
    against: dict[str, float] = {}
    if labels is not None:
        right = [labels[at] for at in whole]
        columns_and_vote = {**columns, "(jury)": [majority(votes[at]) for at in whole]}
        against = {name: cohen_kappa(column, right) for name, column in columns_and_vote.items()}
    return JuryStatistics(
        questions=len(whole),
        unanimous=sum(len(set(votes[at].values())) == 1 for at in whole) / len(whole),
        cohen={(one, other): cohen_kappa(columns[one], columns[other]) for one, other in combinations(judges, 2)},
        fleiss=fleiss_kappa([[votes[at][judge] for judge in judges] for at in whole]),
        against_labels=against,
    )


def majority(votes: Mapping[str, str]) -> str:
    """What most voted for; of equals, what was voted for first.

    Raises:
        ValueError: there is no vote.
    """
    if not votes:
        raise ValueError("a vote needs at least one vote")
    return Counter(votes.values()).most_common(1)[0][0]
