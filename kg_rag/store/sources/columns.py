"""Which column of a table means what: the names tables are found with, KGX and hetionet's among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kg_rag.errors import MalformedRecord
from kg_rag.graph import EdgeRecord, NodeRecord

NODE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "node_id", "curie", "identifier"),
    "key": ("idx", "key", "index"),
    "name": ("name", "label", "title"),
    "kind": ("kind", "category", "type", "node_type", "labels"),
    "synonyms": ("synonyms", "synonym", "aliases"),
    "description": ("description", "definition"),
}
EDGE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "source": ("src", "source", "subject", "head", "start", "from"),
    "type": ("metaedge", "rel", "relation", "predicate", "type", "edge_type", "label"),
    "target": ("dst", "target", "object", "tail", "end", "to"),
    "sources": ("sources", "reference", "primary_knowledge_source", "provided_by", "publications", "document"),
    "evidence": ("evidence", "has_evidence", "evidence_code"),
    "licence": ("license", "licence"),
    "attributes": ("attrs", "attributes", "properties"),
}
SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table keeps each field; every column that is no field becomes an attribute.

    Attributes:
        fields: from field to column.
        rest: the other columns.
    """

    fields: Mapping[str, str]
    rest: tuple[str, ...]

    @classmethod
    def of(
        cls,
        header: Iterable[str],
        known: Mapping[str, tuple[str, ...]],
        needed: Sequence[str],
        where: str,
        chosen: Mapping[str, str] | None = None,
    ) -> Columns:
        """Finds the fields in a table's header; `chosen` overrides what the names suggest.

        Raises:
            MalformedRecord: a needed field has no column.
        """
        names = list(header)
        by_name = {name.strip().casefold(): name for name in reversed(names)}
        fields = {
            field: next((by_name[alias] for alias in aliases if alias in by_name), "")
            for field, aliases in known.items()
        }
        fields = {field: column for field, column in fields.items() if column} | dict(chosen or {})
        for field in needed:
            if fields.get(field) not in names:
                wanted = fields.get(field) or " or ".join(known[field])
                raise MalformedRecord(where, f"no column {wanted} for the {field}; it has {', '.join(names)}")
        return cls(fields, tuple(name for name in names if name not in fields.values()))

    def node(self, row: Mapping[str, object], where: str) -> NodeRecord:
        """A row of a node table."""
        get = self.text
        key = row.get(self.fields["key"]) if "key" in self.fields else None
        return NodeRecord(
            id=get(row, "id"),
            name=get(row, "name"),
            kind=get(row, "kind").removeprefix("biolink:"),
            synonyms=tuple(part.strip() for part in self._several(row, "synonyms") if part.strip()),
            description=get(row, "description"),
            attributes=self.extra(row),
            key=key if isinstance(key, int) else (str(key) if key is not None else None),
            where=where,
        )

    def edge(self, row: Mapping[str, object], where: str) -> EdgeRecord:
        """A row of an edge table."""
        get = self.text
        stored = row.get(self.fields["attributes"]) if "attributes" in self.fields else None
        attributes: Mapping[str, object] | str | None = self.extra(row)
        if isinstance(stored, str) and stored:
            attributes = stored if not attributes else {**attributes, **_object(stored, where)}
        return EdgeRecord(
            _end(row.get(self.fields["source"])),
            get(row, "type").removeprefix("biolink:"),
            _end(row.get(self.fields["target"])),
            get(row, "sources"),
            get(row, "evidence"),
            get(row, "licence"),
            attributes,
            where,
        )

    def text(self, row: Mapping[str, object], field: str) -> str:
        """A field as text, a list of several joined with `|`; empty where there is none."""
        column = self.fields.get(field)
        value = row.get(column) if column else None
        if value is None:
            return ""
        if isinstance(value, list | tuple):
            return SEPARATOR.join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - cells of any type
        return str(value).strip()

    def _several(self, row: Mapping[str, object], field: str) -> Iterable[str]:
        column = self.fields.get(field)
        value = row.get(column) if column else None
        if isinstance(value, list | tuple):
            return map(str, value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - cells of any type
        return self.text(row, field).split(SEPARATOR)

    def extra(self, row: Mapping[str, object]) -> dict[str, object] | None:
        """The columns that are no field and have a value."""
        found = {name: value for name in self.rest if (value := row.get(name)) not in (None, "")}
        return found or None


def _end(value: object) -> str | int:
    if isinstance(value, int):
        return value
    return "" if value is None else str(value).strip()


def _object(text: str, where: str) -> dict[str, object]:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise MalformedRecord(where, f"attributes are not JSON ({error})") from error
    if not isinstance(value, dict):
        raise MalformedRecord(where, "attributes are not a JSON object")
    return {str(key): one for key, one in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON of any shape
