"""Hypothesis strategies for plans and for text that is nearly one."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import strategies as st

from executor import Ref, Task, Text
from planner import as_lines

_ALPHABET = "ab1 $.{}[](),:=\"'\\\n\té😀"
_AWKWARD = [
    "Rosemary's Baby",
    'say "hi"',
    "$2 tax",
    "$$",
    "$1.a",
    "x\\",
    "\\n",
    "1. now()",
    "join()",
    "''",
    "null",
    "12",
    "",
]
_texts = st.text(_ALPHABET, max_size=10) | st.sampled_from(_AWKWARD)
_keys = st.text(_ALPHABET, max_size=4) | st.sampled_from(["a", "first name"])


@cache
def _values(ids: tuple[str, ...]) -> st.SearchStrategy[object]:
    # Cached, because building strategies takes longer than drawing from them.
    scalars: st.SearchStrategy[object] = (
        _texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    )
    if ids:
        steps = st.lists(_keys | st.integers(-3, 99), max_size=3).map(tuple)
        refs = st.builds(Ref, st.sampled_from(ids), steps)
        scalars |= refs
        # A text with a reference in it: never a reference alone, never two strings side by side.
        scalars |= st.tuples(_some, refs, _some).map(Text)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3), max_leaves=4
    )


_IDS = ("2", "3", "7", "11", "40")
_some = st.text(_ALPHABET, min_size=1, max_size=5)


@st.composite
def tasks(draw: st.DrawFn) -> list[Task]:
    """A plan whose references point to earlier lines, for the tool `pair`."""
    found: list[Task] = []
    for name in _IDS[: draw(st.integers(1, len(_IDS)))]:
        values = _values(tuple(task.id for task in found))
        found.append(Task(name, "pair", {"first": draw(values), "second": draw(values)}))
    return found


@st.composite
def plan_texts(draw: st.DrawFn) -> str:
    """A plan's text, sometimes with lines that forget, repeat or misspell something."""
    text = as_lines(draw(tasks())) + "\n99. join()"
    if draw(st.booleans()):
        text = "Plan (as asked):\n```\nThought: so be it (1)\n" + text + "\n```"
    return text


_FRAGMENTS = ["1. ", "2. note(", "search", "now()", "join()", "<END_OF_PLAN>", "Thought: ", "```", "\n", "\r", "\x00"]
_FRAGMENTS += ["(", ")", "[", "]", "{", "}", '"', "'", '"""', "“", "\\", ",", ":", "=", "#", "'s ", "a", " "]
_FRAGMENTS += ["$1", "${2}", "$", "-1e9", '$1["']


@st.composite
def noise(draw: st.DrawFn) -> str:
    """Pieces of plan syntax in any order."""
    return "".join(draw(st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=30)))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A plan's text with a few characters taken out, put in or swapped."""
    text = list(draw(plan_texts()))
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 4))):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(3):
            case 0:
                del text[at : at + chance.randrange(4)]
            case 1:
                text.insert(at, chance.choice(_FRAGMENTS))
            case _:
                text[at : at + 2] = reversed(text[at : at + 2])
    return "".join(text)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """`text` cut anywhere: one piece, single characters, or cuts in between."""
    if draw(st.integers(0, 3)) == 0:
        return [*text]
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
