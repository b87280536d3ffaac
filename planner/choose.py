"""Which tools a question is about: with many, the prompt carries the best of them and what those need.

TF-IDF (Salton & Buckley 1988) with cosine similarity, over names, descriptions and the questions of past plans; or
embeddings, where a function for them is given.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import cast

from executor import Tool, Toolset
from planner.examples import Example

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts in, one vector each out."""

FEW = 20
"""Up to so many tools, all go into the prompt."""

_WORD = re.compile(r"[^\W_]+")
# Where a name in camelCase, or of letters and digits, falls into parts.
_PART = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d])(?=[0-9])|(?<=[0-9])(?=[^\W\d])")
_CALLED = re.compile(r"^\s*[0-9]+\.\s*([\w./-]+)\(", re.MULTILINE)
_LONGEST_TEXT = 2_000
# A word of the name says more than one of the description.
_NAME_WEIGHT = 3


class Similarity:
    """How near texts are to each other.

    Args:
        texts: what is searched, with the weight of each word already in it.
        embed: gives vectors instead of word counts.
    """

    def __init__(self, texts: Sequence[str], *, embed: Embed | None = None) -> None:
        self._embed = embed
        if embed is not None:
            self._vectors = [_unit(vector) for vector in embed(texts)] if texts else []
            return
        counts = [Counter(words(text)) for text in texts]
        holders = Counter(word for count in counts for word in count)
        self._weights = {word: math.log((1 + len(counts)) / (1 + found)) + 1 for word, found in holders.items()}
        self._bags = [self._weighed(count) for count in counts]

    def to(self, text: str) -> list[float]:
        """Cosine of `text` and each of the texts, from 0 (or -1 with embeddings) to 1."""
        if self._embed is not None:
            asked = _unit(self._embed([text])[0])
            return [sum(a * b for a, b in zip(asked, vector, strict=True)) for vector in self._vectors]
        bag = self._weighed(Counter(words(text)))
        return [sum(weight * other.get(word, 0.0) for word, weight in bag.items()) for other in self._bags]

    def _weighed(self, count: Counter[str]) -> dict[str, float]:
        bag = {word: (1 + math.log(n)) * self._weights[word] for word, n in count.items() if word in self._weights}
        length = math.sqrt(sum(weight * weight for weight in bag.values()))
        return {word: weight / length for word, weight in bag.items()} if length else {}


class ToolChooser:
    """Chooses tools for questions.

    Args:
        tools: all there are.
        k: tools to choose, before those that they need.
        few: up to so many tools, all are chosen.
        past: plans that went well; the tools they call are found by their questions, too.
        embed: gives vectors instead of word counts.
    """

    def __init__(
        self,
        tools: Toolset,
        *,
        k: int = 12,
        few: int = FEW,
        past: Iterable[Example] = (),
        embed: Embed | None = None,
    ) -> None:
        self.tools = tools
        self.k = k
        self.few = few
        questions: dict[str, list[str]] = {}
        for example in past:
            for name in called_in(example.plan):
                questions.setdefault(name, []).append(example.question)
        self._names = list(tools)
        if len(tools) > few:
            texts = [_described(tool, questions.get(name, ())) for name, tool in tools.items()]
            self._similarity = Similarity(texts, embed=embed)
            self._producers = _producers(tools)

    def choose(self, question: str, keep: Collection[str] = ()) -> Toolset:
        """The tools for `question`, in the order of the whole set; `keep` are in it whatever they are."""
        if len(self.tools) <= self.few:
            return self.tools
        scores = dict(zip(self._names, self._similarity.to(question), strict=True))
        best = sorted(self._names, key=lambda name: -scores[name])[: self.k]
        chosen = dict.fromkeys([*best, *(name for name in keep if name in self.tools)])
        for name in list(chosen):
            chosen |= dict.fromkeys(self._needs(name, scores, chosen))
        return Toolset(tool for name, tool in self.tools.items() if name in chosen)

    def _needs(self, name: str, scores: Mapping[str, float], chosen: Collection[str]) -> list[str]:
        """For each required argument that some tools give: the best of them, if none is chosen yet."""
        needed: list[str] = []
        for parameter in self.tools[name].signature.parameters:
            givers = [giver for giver in self._producers.get(_key(parameter.name), ()) if giver != name]
            if parameter.required and givers and not any(giver in chosen or giver in needed for giver in givers):
                needed.append(max(givers, key=lambda giver: scores[giver]))
        return needed


def called_in(plan: str) -> list[str]:
    """Names of the tools that a plan's text calls, each once."""
    return [name for name in dict.fromkeys(_CALLED.findall(plan)) if name != "join"]


def words(text: str) -> list[str]:
    """Words of a text in small letters; names in camelCase or with underscores fall into their parts."""
    return [_stem(part.lower()) for word in _WORD.findall(text) for part in _PART.split(word)]


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _described(tool: Tool, questions: Sequence[str]) -> str:
    parts = [tool.name] * _NAME_WEIGHT + [tool.description, *questions]
    for parameter in tool.signature.parameters:
        parts += [parameter.name, str(parameter.schema.get("description", ""))]
    return " ".join(parts)[:_LONGEST_TEXT]


def _producers(tools: Toolset) -> dict[str, list[str]]:
    """Names of result fields that say what they are (`geoId`, not `name`), and the tools whose results have them."""
    found: dict[str, list[str]] = {}
    for name, tool in tools.items():
        fields = cast(Mapping[str, object], (tool.returns or {}).get("properties", {}))
        for field in fields:
            if len(words(field)) > 1:
                found.setdefault(_key(field), []).append(name)
    return found


def _key(name: str) -> str:
    return "".join(words(name))


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else list(vector)
