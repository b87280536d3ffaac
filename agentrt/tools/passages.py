"""Passage search by BM25: an index that is built once, and the tool plans call."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from agentrt.tools.decorator import tool
from agentrt.tools.documents import Limits, Passage, read_passages
from agentrt.tools.errors import DocumentError, NothingFound
from executor import Tool

# Scripts without spaces are indexed by character, everything else by word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_BRACKETED = re.compile(r"\s*\([^()]*\)\s*$")
_TITLE_WEIGHT = 3  # a word of the title counts like this many in the text
_MOST_QUERY_WORDS = 256


def words(text: str) -> list[str]:
    """The index terms of `text`: lower case, without accents."""
    if not text.isascii():
        text = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
        text = unicodedata.normalize("NFC", text)
    return _WORD.findall(text.casefold())


class PassageIndex:
    """Passages, searchable by their words.

    Scores are BM25 (Robertson & Zaragoza 2009; Lucene's variant, k1 = 1.5, b = 0.75) over title and text
    together. Plans look entities up by name, so passages whose title is the query come before all others;
    among them `Title` before `Title (disambiguated)`.

    Args:
        passages: at least one.

    Raises:
        DocumentError: no passage, or none with a single word.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        import bm25s

        self.passages = tuple(passages)
        tokens = [words(passage.title) * _TITLE_WEIGHT + words(passage.text) for passage in self.passages]
        if not any(tokens):
            raise DocumentError("passages", "there is no passage with a word in it")
        self._bm25: Any = bm25s.BM25()
        self._bm25.index(tokens, show_progress=False)
        self._exact: dict[str, list[int]] = {}
        self._bare: dict[str, list[int]] = {}
        for index, passage in enumerate(self.passages):
            self._exact.setdefault(" ".join(words(passage.title)), []).append(index)
            bare = _BRACKETED.sub("", passage.title)
            if bare != passage.title:
                self._bare.setdefault(" ".join(words(bare)), []).append(index)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, limits: Limits | None = None) -> PassageIndex:
        """Reads a folder of text or markdown files, or a .json or .jsonl file of documents.

        Raises:
            DocumentError: says which file, which line, and what is wrong with it.
        """
        return cls(read_passages(path, limits))

    def __len__(self) -> int:
        return len(self.passages)

    def search(self, query: str, k: int = 5) -> list[Passage]:
        """The `k` passages that fit best, best first; fewer where fewer share a word with `query`."""
        import numpy as np

        terms = words(query)[:_MOST_QUERY_WORDS]
        known: list[int] = self._bm25.get_tokens_ids(terms)
        if not known or k < 1:
            return []
        scores = self._bm25.get_scores_from_ids(known)
        ranks = scores.copy()
        top = float(ranks.max())
        name = " ".join(terms)
        ranks[self._exact.get(name, [])] += 2 * top
        ranks[self._bare.get(name, [])] += top
        best: Any = np.argpartition(-ranks, k - 1)[:k] if k < len(ranks) else np.arange(len(ranks))
        ordered = cast(list[int], best[np.lexsort((best, -ranks[best]))].tolist())
        return [replace(self.passages[i], score=round(float(scores[i]), 4)) for i in ordered if scores[i] > 0]


def passage_search(index: PassageIndex, *, name: str = "search", k: int = 1) -> Tool:
    """A tool that finds passages in `index`: one `Passage` for k = 1, else a list of up to `k`.

    The result keeps title, text, source and id, so that an answer can show what it rests on; plans reach
    them as `$1.title` or `$1.text`. A query that matches nothing fails with `NothingFound`.

    Raises:
        ValueError: `k` is less than 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")

    def find(query: str) -> list[Passage]:
        passages = index.search(query, k)
        if not passages:
            raise NothingFound(f"no passage has a word of {query[:80]!r}; search for another name or other words")
        return passages

    if k > 1:

        @tool(effect="pure", name=name)
        def search_many(query: str) -> list[Passage]:
            """Finds the passages about a person, place, work or thing, best first.

            Args:
                query: a name or a few key words, as an encyclopedia would title it
            """
            return find(query)

        return search_many

    @tool(effect="pure", name=name)
    def search_one(query: str) -> Passage:
        """Finds the passage about a person, place, work or thing.

        Args:
            query: a name or a few key words, as an encyclopedia would title it
        """
        return find(query)[0]

    return search_one
