"""ParallelQA (Kim et al. 2023, arXiv 2312.04511): what becomes of measures that are looked up side by side."""

from __future__ import annotations

import json
import random
from typing import TypedDict

import anyio

from agentrt import tool
from agentrt.tools import calculator
from benchmarks.planner.cases import Case, slow
from benchmarks.planner.nestful import DATA
from executor import Tool

MEASURES: dict[str, tuple[float, str]] = {
    "mount everest": (8848, "m"),
    "mount kilimanjaro": (5895, "m"),
    "aconcagua": (6961, "m"),
    "k2": (8611, "m"),
    "mount elbert": (4401, "m"),
    "shanghai tower": (632, "m"),
    "ostankino tower": (540.1, "m"),
    "empire state building": (443.2, "m"),
    "cn tower": (553.3, "m"),
    "tokyo skytree": (634, "m"),
    "burj khalifa": (829.8, "m"),
    "christ the redeemer": (30, "m"),
    "statue of unity": (182, "m"),
    "washington monument": (169.046, "m"),
    "motherland calls": (85, "m"),
    "ushiku daibutsu": (120, "m"),
    "mariana trench": (10984, "m"),
    "puerto rico trench": (8376, "m"),
    "sunda trench": (7290, "m"),
    "south sandwich trench": (8202, "m"),
    "peru-chile trench": (8065, "m"),
    "yangtze river": (6300, "km"),
    "mississippi river": (3766, "km"),
    "volga river": (3531, "km"),
    "mekong river": (4350, "km"),
    "congo river": (4700, "km"),
    "sahara desert": (9_200_000, "square km"),
    "arabian desert": (2_330_000, "square km"),
    "kalahari desert": (900_000, "square km"),
    "sonoran desert": (260_000, "square km"),
    "atacama desert": (105_000, "square km"),
    "pacific ocean": (165_250_000, "square km"),
    "atlantic ocean": (85_133_000, "square km"),
    "indian ocean": (70_560_000, "square km"),
    "southern ocean": (21_960_000, "square km"),
    "arctic ocean": (14_060_000, "square km"),
    "cheetah": (112, "km/h"),
    "peregrine falcon": (389, "km/h"),
}
"""Measures of public record. Where several are given, the one that the set's own answers were computed with."""

_LEFT_OUT = ("population", "rainforest", "forest")
"""Words of questions whose measures change from year to year and from count to count."""


class Measure(TypedDict):
    """A number and its unit."""

    value: float
    unit: str


@tool(effect="pure")
async def look_up(name: str) -> Measure:
    """Tells the height of a mountain, tower or statue, the length of a river, the depth of a trench, the area of a
    desert or ocean, or the top speed of an animal.

    Args:
        name: one thing
    """
    await anyio.sleep(slow(name))
    known = next((measure for thing, measure in MEASURES.items() if thing in name.lower()), None)
    if known is None:
        raise LookupError(f"nothing is known about {name!r}")
    return {"value": known[0], "unit": known[1]}


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
