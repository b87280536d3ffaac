"""A Neo4j database as a source: read once over Bolt and kept as a snapshot, which everything else works on."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from kg_rag.errors import SourceError
from kg_rag.graph import EdgeRecord, NodeRecord, Schema
from kg_rag.store.sources.columns import EDGE_COLUMNS, NODE_COLUMNS, Columns
from kg_rag.store.sources.port import GraphSource

if TYPE_CHECKING:
    from neo4j import Driver

READ_NODES = "MATCH (n) RETURN elementId(n) AS key, labels(n) AS labels, properties(n) AS properties"
READ_EDGES = (
    "MATCH (a)-[r]->(b) "
    "RETURN elementId(a) AS source, type(r) AS type, elementId(b) AS target, properties(r) AS properties"
)
# Labels and relationship types say what Neo4j has no property for.
_NODE_FIELDS = {field: NODE_COLUMNS[field] for field in ("id", "name", "synonyms", "description")}
_EDGE_FIELDS = {field: EDGE_COLUMNS[field] for field in ("sources", "evidence", "licence")}


class Neo4j(GraphSource):
    """All nodes and relationships of a Neo4j database (5 or later, which has `elementId`).

    A node's first label is its kind; its properties `id`, `name`, `synonyms` and `description`, or what tables call
    them too, fill the fields of those names, and the rest are attributes. A node without an id is called by its
    element id. The database is not to be written to meanwhile: nodes and relationships are two reads.

    Args:
        driver: an open driver of the `neo4j` package; it stays the caller's. `Neo4j.connect` opens one.
        database: its name; the server's default without.
        schema: how edge types and kinds are spoken of.
        name: how errors call it.
    """

    def __init__(
        self, driver: Driver, database: str | None = None, *, schema: Schema | None = None, name: str = "neo4j"
    ) -> None:
        self._driver = driver
        self._database = database
        self.name = name
        self.schema = schema or Schema()

    @classmethod
    @contextmanager
    def connect(
        cls,
        uri: str,
        user: str = "neo4j",
        password: str | None = None,
        database: str | None = None,
        *,
        schema: Schema | None = None,
    ) -> Generator[Neo4j, None, None]:
        """A source for as long as the context lasts.

        Args:
            uri: such as `bolt://127.0.0.1:7687` or `neo4j+s://…`.
            user: its name.
            password: without one no authentication is tried.
            database: see `Neo4j`.
            schema: see `Neo4j`.

        Raises:
            SourceError: the package is missing, or nobody who can be talked to listens there.
        """
        try:
            import neo4j
        except ImportError as error:
            raise SourceError(uri, "reading Neo4j needs its driver: pip install 'agentrt[neo4j]'") from error
        opener: Any = neo4j.GraphDatabase
        with _told(uri):
            driver = opener.driver(uri, auth=(user, password) if password else None)
        with driver:
            with _told(uri):
                driver.verify_connectivity()
            yield cls(driver, database, schema=schema, name=uri)

    def nodes(self) -> Iterator[NodeRecord]:
        for row in self._rows(READ_NODES):
            key, labels, properties = str(row["key"]), cast("Sequence[str]", row["labels"]), _plain(row["properties"])
            where = f"{self.name}, node {key}"
            node = _node_columns(*properties).node(properties, where)
            yield node._replace(id=node.id or key, kind=labels[0] if labels else "", key=key)

    def edges(self) -> Iterator[EdgeRecord]:
        for row in self._rows(READ_EDGES):
            source, target, properties = str(row["source"]), str(row["target"]), _plain(row["properties"])
            where = f"{self.name}, relationship {row['type']} of node {source}"
            columns = _edge_columns(*properties)
            yield EdgeRecord(
                source,
                str(row["type"]),
                target,
                columns.text(properties, "sources"),
                columns.text(properties, "evidence"),
                columns.text(properties, "licence"),
                columns.extra(properties),
                where,
            )

    def _rows(self, query: str) -> Iterator[Mapping[str, Any]]:
        driver: Any = self._driver
        with _told(self.name), driver.session(database=self._database, default_access_mode="READ") as session:
            yield from session.run(query)


@contextmanager
def _told(where: str) -> Generator[None, None, None]:
    """Errors of the driver and of the server as ours."""
    from neo4j.exceptions import AuthError, ConfigurationError, DriverError, Neo4jError

    try:
        yield
    except AuthError as error:
        raise SourceError(where, f"Neo4j refuses the user: check name and password ({error})") from error
    except (DriverError, ConfigurationError, ValueError) as error:
        advice = "check that a Neo4j server runs there and that the address is bolt://… or neo4j://…"
        raise SourceError(where, f"{advice} ({type(error).__name__}: {error})") from error
    except Neo4jError as error:
        raise SourceError(
            where, f"Neo4j 5 or later is needed, and the right to read ({error.code}: {error})"
        ) from error


# Nodes of one label mostly have the same properties.
@lru_cache(maxsize=256)
def _node_columns(*properties: str) -> Columns:
    return Columns.of(properties, _NODE_FIELDS, (), "neo4j")


@lru_cache(maxsize=256)
def _edge_columns(*properties: str) -> Columns:
    return Columns.of(properties, _EDGE_FIELDS, (), "neo4j")


def _plain(properties: Mapping[str, object]) -> dict[str, object]:
    """Properties as JSON has them: dates, durations and points as text."""
    return {name: _value(value) for name, value in properties.items()}


def _value(value: object) -> object:
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, list | tuple):
        return [_value(one) for one in cast("Sequence[object]", value)]
    return str(value)
