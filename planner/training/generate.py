"""Questions with their plans, made from nothing but the tools' schemas, to train a small planner on."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from executor import Executor, Finished, Task, Toolset
from planner.errors import PlannerError
from planner.lines import as_lines
from planner.reader import read_plan
from planner.training.compose import MOST_CALLS, Composer, composition
from planner.training.simulate import simulated
from planner.training.wordings import HELD_OUT, TRAINED, Wording, nested, question, told_first

_HELD_OUT_SHARE = 4
"""One composition in so many is kept to measure with."""
_DULL = 200
"""After so many draws that bring nothing new, there is nothing more to bring."""


class Exercise(NamedTuple):
    """A question and the plan that answers it.

    Attributes:
        question: what is asked.
        plan: lines, `join()` last.
        composition: which tools it puts together, and how.
        wording: the name of the template that it is worded with.
    """

    question: str
    plan: str
    composition: str
    wording: str


class Exercises(NamedTuple):
    """What a training run needs. No two share a question, and no composition is on both sides.

    Attributes:
        train: to learn from.
        held_out_wording: compositions and tools that are learnt, worded as nothing is that is learnt from.
        held_out_compositions: compositions that nothing is learnt from, in wordings that are learnt.
    """

    train: list[Exercise]
    held_out_wording: list[Exercise]
    held_out_compositions: list[Exercise]


def exercises(
    tools: Toolset, *, count: int, held_out: int = 40, seed: int = 0, most_calls: int = MOST_CALLS
) -> Exercises:
    """Makes exercises over random compositions of `tools`; the same ones for the same arguments.

    One composition in four is held out, by its hash: of two or more calls, since single calls are what everything is
    put together from.

    Args:
        tools: what plans may call.
        count: exercises to learn from.
        held_out: exercises of each kind to measure with.
        seed: of everything random.
        most_calls: calls of a plan at most.

    Raises:
        PlannerError: these tools give no plans, or too few different ones.
    """
    composer = Composer(tools)
    if not composer.tools:
        raise PlannerError(
            "no tool has arguments that can be made up; give their schemas examples: "
            "Annotated[str, Field(examples=[…])]"
        )
    train = _draw(composer, TRAINED, random.Random(f"{seed} train"), most_calls, held_out=False)
    worded = _draw(composer, HELD_OUT, random.Random(f"{seed} wording"), most_calls, held_out=False)
    composed = _draw(composer, TRAINED, random.Random(f"{seed} composition"), most_calls, held_out=True)
    seen: set[str] = set()
    measured = _take(worded, held_out, seen), _take(composed, held_out, seen)
    learnt = _take(train, count, seen)
    if not learnt or not measured[1]:
        raise PlannerError(
            f"{len(learnt)} exercises and {len(measured[1])} unseen compositions can be made of these tools; "
            "give more tools, or say what they return, so that one can use what another finds"
        )
    return Exercises(learnt, *measured)


def is_held_out(name: str) -> bool:
    """Whether nothing is learnt from a composition. Decided by its name alone, so that it never changes sides."""
    digest = hashlib.sha256(name.encode()).digest()
    return (" + " in name or "<" in name) and digest[0] % _HELD_OUT_SHARE == 0


def _draw(
    composer: Composer, wordings: Sequence[Wording], chance: random.Random, most: int, *, held_out: bool
) -> Iterator[Exercise]:
    """Endless; duplicates come along."""
    while True:
        tasks = composer.compose(chance, most=most)
        name = composition(tasks)
        if is_held_out(name) is not held_out:
            # Still a draw, so that whoever waits for something new can give up.
            yield Exercise("", "", name, "")
            continue
        # Steps where nothing else is clear, and never where nothing is used by another call.
        steps = True if nested(tasks) else None if "<" in name else False
        wording = chance.choice([item for item in wordings if steps in (None, item.steps)])
        if wording.steps:
            tasks = told_first(tasks)
        yield Exercise(
            question(tasks, composer.tools, wording, chance), plan_text(tasks, composer.tools), name, wording.name
        )


def _take(drawn: Iterator[Exercise], count: int, seen: set[str]) -> list[Exercise]:
    found: list[Exercise] = []
    dull = 0
    for exercise in drawn:
        if len(found) == count or dull == _DULL:
            break
        if not exercise.question or exercise.question in seen:
            dull += 1
            continue
        dull = 0
        seen.add(exercise.question)
        found.append(exercise)
    return found


def plan_text(tasks: Sequence[Task], tools: Toolset) -> str:
    """A plan as a model should write it."""
    return f"{as_lines(tasks, tools)}\n{len(tasks) + 1}. join()"


async def verified(made: Iterable[Exercise], tools: Toolset) -> list[Exercise]:
    """Those whose plans are read without an error and run to their end with simulated tools."""
    executor = Executor(simulated(tools))
    good: list[Exercise] = []
    for exercise in made:
        reading = read_plan(exercise.plan, tools)
        if reading.problems or not reading.tasks:
            continue
        outcomes = await executor.run(reading.tasks)
        if all(isinstance(outcome, Finished) for outcome in outcomes.values()):
            good.append(exercise)
    return good


def as_rows(made: Sequence[Exercise]) -> str:
    """Exercises as JSON lines."""
    return "".join(json.dumps(item._asdict(), ensure_ascii=False) + "\n" for item in made)


def from_rows(text: str) -> list[Exercise]:
    """The inverse of `as_rows`."""
    return [Exercise(**json.loads(line)) for line in text.splitlines()]
