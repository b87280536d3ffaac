"""Everything `kg_rag` raises.

KnowledgeGraphError
├── GraphError                  a graph that cannot be opened or read
│   ├── GraphNotFound           no graph lies at that path
│   ├── GraphCorrupt            half built, cut short or changed after it was built
│   ├── GraphFormatMismatch     built by a version of this package with another layout
│   ├── UnknownNode             a node id the graph does not hold
│   └── UnknownEdgeType         an edge type the graph does not hold
├── SourceError                 an input file of a build; the old graph stays as it was
│   ├── MalformedRecord         a row that does not fit its format
│   ├── DuplicateNode           one node id, defined twice
│   └── UnknownEndpoint         an edge to a node that no row defines
├── BuildInProgress             another process builds the same graph
├── EmptyQuestion               nothing was asked
├── BudgetTooSmall              not even one sentence fits the token budget
├── NotFitted                   a predictor asked before `fit`
└── ModelReplyError             a language model's reply that does not fit what was asked for
    └── LogprobsMissing         a confidence was needed and the model gives no log-probabilities
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class KnowledgeGraphError(Exception):
    """Root of everything raised by `kg_rag`."""


class GraphError(KnowledgeGraphError):
    """A graph that cannot be opened or read."""


class GraphNotFound(GraphError):
    """No graph lies at `path`."""

    def __init__(self, path: Path, known: Iterable[str] = ()) -> None:
        self.path = path
        names = sorted(known)
        close = get_close_matches(path.name, names, n=1) or names[:5]
        hint = f"; there is {', '.join(close)}" if close else ""
        super().__init__(f"no graph at {path}{hint}; build one with build_graph(source, path) or `agentrt kg build`")


class GraphCorrupt(GraphError):
    """A graph that is half built, cut short or was changed after it was built."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(f"the graph at {path} is corrupt: {what}; build it again from its sources")


class GraphFormatMismatch(GraphError):
    """A graph in the layout of another version of this package."""

    def __init__(self, path: Path, found: object, expected: int) -> None:
        self.path = path
        super().__init__(
            f"the graph at {path} has format {found}, this version reads format {expected}; build it again"
        )


class UnknownNode(GraphError, LookupError):
    """A node id the graph does not hold."""

    def __init__(self, node: str) -> None:
        super().__init__(f"the graph holds no node {node!r}; link a name to a node first, or check the id")


class UnknownEdgeType(GraphError, LookupError):
    """An edge type the graph does not hold."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=3, cutoff=0.4) or names[:8]
        super().__init__(f"the graph holds no edge type {name!r}; it has {', '.join(close)}")


class SourceError(KnowledgeGraphError):
    """An input of a build that cannot be used as it stands. `where` is `file:line`, or the file's name."""

    def __init__(self, where: str, message: str) -> None:
        self.where = where
        super().__init__(f"{where}: {message}")


class MalformedRecord(SourceError):
    """A row that does not fit its format."""


class DuplicateNode(SourceError):
    """One node id, defined twice."""

    def __init__(self, where: str, node: str) -> None:
        self.node = node
        super().__init__(where, f'node {node!r} is defined twice; pass duplicates="merge" to join the two')


class UnknownEndpoint(SourceError):
    """An edge to a node that no row defines."""

    def __init__(self, where: str, edge: str, node: str) -> None:
        self.node = node
        super().__init__(
            where, f'edge {edge} names node {node!r}, which no row defines; pass unknown="skip" or unknown="create"'
        )


class BuildInProgress(KnowledgeGraphError):
    """Another process builds the same graph."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is being built by another process; wait for it, or build elsewhere")


class EmptyQuestion(KnowledgeGraphError, ValueError):
    """Nothing was asked."""

    def __init__(self) -> None:
        super().__init__("the question is empty; ask about something the graph may hold")


class BudgetTooSmall(KnowledgeGraphError, ValueError):
    """Not even one sentence fits the token budget."""

    def __init__(self, budget: int, needed: int) -> None:
        super().__init__(f"a budget of {budget} tokens holds no sentence; the shortest needs {needed}")


class NotFitted(KnowledgeGraphError, RuntimeError):
    """A predictor asked before it was fitted."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has seen no examples; call fit(questions, paths) first")


class ModelReplyError(KnowledgeGraphError):
    """A language model's reply that does not fit what was asked for. `reply` is its text, cut to 500 characters."""

    def __init__(self, message: str, reply: str = "") -> None:
        self.reply = reply[:500]
        super().__init__(f"{message}; the reply began {self.reply[:80]!r}" if reply else message)


class LogprobsMissing(ModelReplyError):
    """A confidence was needed and the model gives no log-probabilities."""

    def __init__(self) -> None:
        super().__init__(
            "the model's reply carries no log-probabilities; bind logprobs=True to it, "
            'or choose conflict="context" or "scr"'
        )
