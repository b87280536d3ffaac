"""Ontologies in OBO format 1.4: terms, synonyms, `is_a` and `relationship` edges. Obsolete terms are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kg_rag.errors import MalformedRecord
from kg_rag.graph import EdgeRecord, NodeRecord, Relation, Schema
from kg_rag.store.sources.port import GraphSource

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*([A-Z]*)')
_ESCAPE = re.compile(r"\\(.)")
_TRAILER = re.compile(r"\s*(?:\{[^}]*\})?\s*(?:!.*)?$")

Stanza = list[tuple[str, str, int]]
"""tag, value, line number."""


class Obo(GraphSource):
    """An OBO file.

    Args:
        path: the file.
        kind: the kind of its terms; by default the term's `namespace`, or `Term`.
        synonyms: scopes of synonyms to take; EXACT alone keeps linking precise.
    """

    schema = Schema(
        relations={"is_a": Relation("is a kind of", "{source} is a {target}", "includes", ("type", "kind"))}
    )

    def __init__(self, path: str | Path, *, kind: str = "", synonyms: frozenset[str] = frozenset({"EXACT"})) -> None:
        self._path = Path(path)
        self._kind = kind
        self._scopes = synonyms
        self.name = self._path.name

    def nodes(self) -> Iterator[NodeRecord]:
        for stanza in self._terms():
            first = {tag: value for tag, value, _ in reversed(stanza)}
            names: list[str] = []
            for tag, value, line in stanza:
                if tag == "synonym":
                    text, scope = self._quoted(value, line)
                    if (scope or "RELATED") in self._scopes:
                        names.append(text)
            definition = self._quoted(first["def"], stanza[0][2])[0] if "def" in first else ""
            kind = self._kind or _plain(first.get("namespace", "")) or "Term"
            where = f"{self.name}:{stanza[0][2]}"
            yield NodeRecord(
                _plain(first["id"]), _unescape(first.get("name", "")), kind, names, definition, where=where
            )

    def edges(self) -> Iterator[EdgeRecord]:
        for stanza in self._terms():
            source = _plain(next(value for tag, value, _ in stanza if tag == "id"))
            for tag, value, line in stanza:
                where = f"{self.name}:{line}"
                if tag == "is_a":
                    yield EdgeRecord(source, "is_a", _plain(value), self.name, where=where)
                elif tag == "relationship":
                    parts = _plain(value).split()
                    if len(parts) != 2:
                        raise MalformedRecord(where, f"a relationship is a type and a term, not {value!r}")
                    yield EdgeRecord(source, parts[0], parts[1], self.name, where=where)

    def _terms(self) -> Iterator[Stanza]:
        for kind, stanza in self._stanzas():
            if kind != "Term" or any(tag == "is_obsolete" and _plain(value) == "true" for tag, value, _ in stanza):
                continue
            if not any(tag == "id" for tag, _, _ in stanza):
                line = stanza[0][2] if stanza else 0
                raise MalformedRecord(f"{self.name}:{line}", "a term without an id")
            yield stanza

    def _stanzas(self) -> Iterator[tuple[str, Stanza]]:
        kind, stanza = "", Stanza()
        with self._path.open(encoding="utf-8") as file:
            for number, raw in enumerate(file, 1):
                line = raw.strip()
                if not line or line.startswith("!"):
                    continue
                if line.startswith("["):
                    yield kind, stanza
                    kind, stanza = line.strip("[]"), []
                    continue
                tag, colon, value = line.partition(":")
                if not colon:
                    raise MalformedRecord(f"{self.name}:{number}", f"a line is `tag: value`, not {line[:60]!r}")
                stanza.append((tag.strip(), value.strip(), number))
        yield kind, stanza

    def _quoted(self, value: str, line: int) -> tuple[str, str]:
        match = _QUOTED.match(value)
        if match is None:
            raise MalformedRecord(f"{self.name}:{line}", f"a quoted text was expected, not {value[:60]!r}")
        return _unescape(match.group(1)), match.group(2)


def _plain(value: str) -> str:
    return _TRAILER.sub("", value)


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda match: {"n": "\n", "t": "\t", "W": " "}.get(match.group(1), match.group(1)), value)
