"""Finds mentions of nodes in a question: by the graph's own dictionary, and by likeness where that finds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kg_rag.linking.linker import Candidate, Link, Linker
from kg_rag.words import FUNCTION_WORDS, Word, fold, list_markers, normalise, words

_LONGEST = 20
_SPANS_TRIED = 8
_LONGEST_LIKE = 8
_SHORTEST_LIKE = 4


class MentionFinder:
    """Finds and links the mentions of a question.

    Words of the graph's own vocabulary (`gene`, `binds`) and words that only ask are no mentions by themselves, unless
    they are written exactly as a node is, capitals included.

    Args:
        linker: links what is found.
        fuzzy: whether words the dictionary does not know are compared with names that are like them.
    """

    def __init__(self, linker: Linker, *, fuzzy: bool = True) -> None:
        self.linker = linker
        self._fuzzy = fuzzy
        schema = linker.graph.schema
        self._kind_words: dict[str, str] = {}
        for kind in linker.graph.info.kinds:
            for name in (kind, *schema.kinds.get(kind, ())):
                self._kind_words.update(dict.fromkeys(_forms(normalise(name)), kind))
        relations = [schema.relation(name) for name in linker.graph.types]
        spoken = " ".join(" ".join((one.label, one.inverse, *one.words)) for one in relations)
        self._vocabulary = {form for word in words(spoken) for form in _forms(word.text)}
        self._vocabulary |= {word for name in self._kind_words for word in name.split()}

    def find(self, question: str) -> list[Link]:
        """The mentions of a question in the order they stand in it, each with its candidates."""
        tokens = words(question)
        found = self._dictionary(question, tokens)
        if self._fuzzy:
            found = self._like(question, tokens, found)
        return sorted(found, key=lambda link: link.start)

    def _dictionary(self, question: str, tokens: Sequence[Word]) -> list[Link]:
        spans: dict[tuple[int, int], str] = {}
        markers = list_markers(question, tokens)
        for first in range(len(tokens)):
            for last in range(first + 1, min(first + _LONGEST, len(tokens)) + 1):
                if last - 1 in markers:
                    break
                spans[first, last] = " ".join(word.text for word in tokens[first:last])
        entries = self.linker.index.exact(list(dict.fromkeys(spans.values())))
        chosen: list[Link] = []
        taken = [False] * len(tokens)
        ordered = sorted(
            (span for span, text in spans.items() if text in entries), key=lambda span: (span[0] - span[1], span[0])
        )
        for first, last in ordered:
            if any(taken[first:last]):
                continue
            surface = question[tokens[first].start : tokens[last - 1].end]
            candidates = self._candidates(question, tokens, first, last)
            if self._ordinary(tokens[first:last]) and not (first and self._written_so(surface, candidates)):
                continue
            taken[first:last] = [True] * (last - first)
            link = Link(surface, tuple(candidates), self.linker.ranking.threshold)
            chosen.append(replace(link, start=tokens[first].start, end=tokens[last - 1].end))
        return chosen

    def _candidates(self, question: str, tokens: Sequence[Word], first: int, last: int) -> list[Candidate]:
        text = " ".join(word.text for word in tokens[first:last])
        found = self.linker.exact(text)
        if len(found) < 2:
            return found
        # "the gene CAT": a word for a kind that stands beside the mention settles which node is meant.
        beside = [word.text for word in (*tokens[max(0, first - 2) : first], *tokens[last : last + 1])]
        kinds = {self._kind_words[word] for word in beside if word in self._kind_words}
        nodes = {node.index: node for node in self.linker.graph.nodes([one.node for one in found])}
        surface = question[tokens[first].start : tokens[last - 1].end]

        def order(one: Candidate) -> tuple[bool, float, bool, int]:
            node = nodes[one.node]
            return (node.kind not in kinds, -one.confidence, node.name != surface, one.node)

        ranked = sorted(found, key=order)
        if kinds and nodes[ranked[0].node].kind in kinds:
            return [
                one if nodes[one.node].kind in kinds else replace(one, confidence=one.confidence - 0.1)
                for one in ranked
            ]
        return ranked

    def _like(self, question: str, tokens: Sequence[Word], found: Sequence[Link]) -> list[Link]:
        """The dictionary's mentions, and those of runs of words it does not know whole; a longer link wins."""
        kept: list[Link] = list(found)
        for run in self._unknown_runs(tokens, found):
            for first, last in self._parts(question, tokens, found, run):
                start, end = tokens[first].start, tokens[last - 1].end
                link: Link = self.linker.link(question[start:end])
                if link.best is not None:
                    kept = [one for one in kept if one.end <= start or one.start >= end]
                    kept.append(replace(link, start=start, end=end))
                    break
        return kept

    def _unknown_runs(self, tokens: Sequence[Word], found: Sequence[Link]) -> list[tuple[int, int]]:
        """Runs of words that may be a name and are not all inside one known mention, longest first."""
        plain = [not self._ordinary([word]) for word in tokens]
        runs: list[tuple[int, int]] = []
        first = 0
        while first < len(tokens):
            if not plain[first]:
                first += 1
                continue
            last = first + 1
            # A name may hold joining words ("Lord of the Rings"), yet neither begins nor ends with one here.
            while last < len(tokens):
                ahead = next(
                    (at for at in range(last, min(last + 3, len(tokens))) if tokens[at].text not in FUNCTION_WORDS),
                    None,
                )
                if ahead is None or not plain[ahead]:
                    break
                last = ahead + 1
            runs.append((first, last))
            first = last
        unknown = [
            (first, last)
            for first, last in runs
            if last - first <= _LONGEST_LIKE
            and sum(len(word.text) for word in tokens[first:last]) >= _SHORTEST_LIKE
            and not any(one.start <= tokens[first].start and tokens[last - 1].end <= one.end for one in found)
        ]
        return sorted(unknown, key=lambda run: run[0] - run[1])[:_SPANS_TRIED]

    def _parts(
        self, question: str, tokens: Sequence[Word], found: Sequence[Link], run: tuple[int, int]
    ) -> list[tuple[int, int]]:
        """What of a run may be one name, longest first: all of it, its capitalised stretch, what no mention covers."""
        parts = [run]
        first, last = run
        capital = [at for at in range(max(0, first - 2), last) if question[tokens[at].start].isupper()]
        if capital:
            parts.append((capital[0], last))
            parts.append((capital[0], capital[-1] + 1))
        free: list[int] = []
        for at in range(first, last + 1):
            if at < last and not any(one.start <= tokens[at].start < one.end for one in found):
                free.append(at)
                continue
            if free and sum(len(tokens[one].text) for one in free) >= _SHORTEST_LIKE:
                parts.append((free[0], free[-1] + 1))
            free = []
        whole = [part for part in dict.fromkeys(parts) if not any(_cuts(tokens, part, one) for one in found)]
        return sorted(whole, key=lambda part: part[0] - part[1])

    def _ordinary(self, span: Iterable[Word]) -> bool:
        return all(
            word.text in FUNCTION_WORDS or word.text in self._vocabulary or (word.text.isdigit() and len(word.text) < 3)
            for word in span
        )

    def _written_so(self, surface: str, candidates: Sequence[Candidate]) -> bool:
        if surface == surface.lower():
            return False
        return any(node.name == surface for node in self.linker.graph.nodes([one.node for one in candidates]))


def _cuts(tokens: Sequence[Word], part: tuple[int, int], known: Link) -> bool:
    """Whether a run of words holds some of a known mention and not all of it."""
    start, end = tokens[part[0]].start, tokens[part[1] - 1].end
    return start < known.end and known.start < end and not (start <= known.start and known.end <= end)


def _forms(word: str) -> set[str]:
    """A word and the plainest of its English inflections."""
    stem = word.removesuffix("es") if word.endswith(("sses", "xes", "ches")) else word.removesuffix("s")
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return {fold(one) for one in (word, stem, plural, f"{stem}ed", f"{stem}d", f"{stem}ing")}
