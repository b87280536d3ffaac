"""ParallelQA (Kim et al. 2023, arXiv 2312.04511): what becomes of measures that are looked up side by side."""

from __future__ import annotations

import json
import random

import anyio

from agentrt import tool
from agentrt.tools import calculator
from benchmarks.planner.cases import Case, slow
from benchmarks.planner.nestful import DATA
from executor import Tool

MEASURES: dict[str, float] = {
    "mount everest": 8848,
    "mount kilimanjaro": 5895,
    "aconcagua": 6961,
    "k2": 8611,
    "mount elbert": 4401,
    "shanghai tower": 632,
    "ostankino tower": 540.1,
    "empire state building": 443.2,
    "cn tower": 553.3,
    "tokyo skytree": 634,
    "burj khalifa": 829.8,
    "christ the redeemer": 30,
    "statue of unity": 182,
    "washington monument": 169.046,
    "motherland calls": 85,
    "ushiku daibutsu": 120,
    "mariana trench": 10984,
    "puerto rico trench": 8376,
    "sunda trench": 7290,
    "south sandwich trench": 8202,
    "peru-chile trench": 8065,
    "yangtze river": 6300,
    "mississippi river": 3766,
    "volga river": 3531,
    "mekong river": 4350,
    "congo river": 4700,
    "sahara desert": 9_200_000,
    "arabian desert": 2_330_000,
    "kalahari desert": 900_000,
    "sonoran desert": 260_000,
    "atacama desert": 105_000,
    "pacific ocean": 165_250_000,
    "atlantic ocean": 85_133_000,
    "indian ocean": 70_560_000,
    "southern ocean": 21_960_000,
    "arctic ocean": 14_060_000,
    "cheetah": 112,
    "peregrine falcon": 389,
}
"""Measures of public record, in m, km, square km or km/h. Of several, the one that the set's answers were made with."""

_LEFT_OUT = ("population", "forest")
"""Words of questions whose measures change from year to year and from count to count."""


@tool(effect="pure")
async def look_up(name: str) -> float:
    """Tells the height of a mountain, tower or statue in meters, the length of a river in km, the depth of a trench in
    meters, the area of a desert or ocean in square km, or the top speed of an animal in km/h.

    Args:
        name: one thing
    """
    await anyio.sleep(slow(name))
    known = next((measure for thing, measure in MEASURES.items() if thing in name.lower()), None)
    if known is None:
        raise LookupError(f"nothing is known about {name!r}")
    return known


def parallel_qa() -> tuple[list[Case], list[Tool]]:
    """The questions whose measures are known, in a random order, and the tools."""
    questions = json.loads((DATA / "parallelqa_dataset.json").read_text(encoding="utf-8"))
    cases = [
        Case(item["question"], item["answer"])
        for item in questions
        if not any(word in item["question"].lower() for word in _LEFT_OUT)
    ]
    random.Random(0).shuffle(cases)
    return cases, [look_up, calculator]
