"""Questions with their answers and the tools to answer them with, which are as slow as real ones."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import NamedTuple

import anyio

from agentrt import tool
from agentrt.tools import Passage, PassageIndex
from benchmarks.planner.nestful import DATA
from executor import Tool

LATENCY = 0.5
SPREAD = 0.5
"""A call takes a log-normal time: its median in seconds, and the deviation of its logarithm."""
_CLOSE = 0.01
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class Case(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def is_right(case: Case, text: str) -> bool:
    """Whether the right answer is in a text. Numbers may be off by 1%: sets round, and look measures up elsewhere."""
    if _NUMBER.fullmatch(case.answer):
        wanted = _value(case.answer)
        return any(abs(_value(found) - wanted) <= _CLOSE * abs(wanted) for found in _NUMBER.findall(text))
    return _normal(case.answer) in _normal(text)


def slow(text: str) -> float:
    """Seconds that a call with this argument takes."""
    return LATENCY * math.exp(random.Random(text).gauss(0, SPREAD))


def hotpot_qa() -> tuple[list[Case], list[Tool]]:
    """HotpotQA's questions with gold plans, and a search over their passages and distractors."""
    questions = json.loads((DATA / "hotpot_gold_plans.json").read_text(encoding="utf-8"))
    texts = {title: text for item in questions for title, text in {**item["distractors"], **item["passages"]}.items()}
    index = PassageIndex(Passage(title=title, text=text, source="HotpotQA") for title, text in texts.items())
    return [Case(item["question"], item["answer"]) for item in questions], [_search(index)]


def _search(index: PassageIndex) -> Tool:
    @tool(effect="pure")
    async def search(query: str) -> str:
        """Finds the passage about a person, place, work or thing.

        Args:
            query: a name, as an encyclopedia would title it
        """
        await anyio.sleep(slow(query))
        found = index.search(query, 1)
        return f"{found[0].title}: {found[0].text}" if found else "nothing was found"

    return search


def movies() -> tuple[list[Case], list[Tool]]:
    """BIG-bench's film recommendations of which every film is known, and a look-up of what is known."""
    about = _film_facts()
    cases: list[Case] = []
    for item in json.loads((DATA / "movie_recommendations_formatted.json").read_text(encoding="utf-8")):
        asked, _, options = item["question"].partition("\nOptions:\n")
        titles = [*asked.removeprefix("Find a movie similar to ").split(", "), *options.strip().split("\n")]
        if all(_normal(title) in about for title in titles):
            cases.append(Case(item["question"].strip(), item["answer"]))
    return cases, [_film(about)]


def _film(about: dict[str, str]) -> Tool:
    @tool(effect="pure")
    async def film(title: str) -> str:
        """Tells genre, year, director and key words of a film. To recommend one, look up every film and option.

        Args:
            title: one film's title
        """
        await anyio.sleep(slow(title))
        return about.get(_normal(title), "nothing is known about this film")

    return film


def _film_facts() -> dict[str, str]:
    """What WikiMovies' triples (CC BY 3.0) say of each film, on one line."""
    import pyarrow.parquet as parquet

    path = Path(DATA).parent / "kg" / "metaqa_kb.parquet"
    told: dict[str, dict[str, list[str]]] = {}
    for row in parquet.read_table(path).to_pylist():
        told.setdefault(row["head"], {}).setdefault(row["relation"], []).append(row["tail"])
    wanted = (("has_genre", "genre"), ("release_year", "year"), ("directed_by", "director"), ("has_tags", "about"))
    return {
        _normal(title): f"{title}: "
        + "; ".join(f"{label} {', '.join(has[key][:4])}" for key, label in wanted if key in has)
        for title, has in told.items()
    }


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _normal(text: str) -> str:
    text = re.sub(r"[^a-z0-9 ]", "", text.lower().replace(", the", ""))
    return re.sub(r"\b(a|an|the)\b", " ", text).replace("  ", " ").strip()
