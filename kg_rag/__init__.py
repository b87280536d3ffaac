"""Knowledge-graph retrieval with provenance. Stands on its own; imports nothing of ours.

    with open_graph("graphs/hetionet") as graph:
        found = KnowledgeGraphRAG(graph).find("Which genes does leucovorin bind?")
        print(found.context.text)

Names are resolved when they are first used, so that opening a graph loads neither langchain-core nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kg_rag.context.builder import Context as Context
    from kg_rag.context.builder import ContextBuilder as ContextBuilder
    from kg_rag.errors import KnowledgeGraphError as KnowledgeGraphError
    from kg_rag.graph import Edge as Edge
    from kg_rag.graph import EdgeRecord as EdgeRecord
    from kg_rag.graph import Node as Node
    from kg_rag.graph import NodeRecord as NodeRecord
    from kg_rag.graph import Relation as Relation
    from kg_rag.graph import Schema as Schema
    from kg_rag.langchain import KnowledgeGraphRetriever as KnowledgeGraphRetriever
    from kg_rag.linking.linker import Linker as Linker
    from kg_rag.linking.mentions import MentionFinder as MentionFinder
    from kg_rag.pipeline import GroundedAnswer as GroundedAnswer
    from kg_rag.pipeline import KnowledgeGraphRAG as KnowledgeGraphRAG
    from kg_rag.retrieval.neighbourhood import Neighbourhood as Neighbourhood
    from kg_rag.retrieval.paths import PathPredictor as PathPredictor
    from kg_rag.retrieval.paths import TypedPaths as TypedPaths
    from kg_rag.retrieval.subgraph import PageRankEdges as PageRankEdges
    from kg_rag.retrieval.subgraph import PrizeSubgraph as PrizeSubgraph
    from kg_rag.store.build import build_graph as build_graph
    from kg_rag.store.drift import compare as compare
    from kg_rag.store.filters import EdgeFilter as EdgeFilter
    from kg_rag.store.local import LocalGraph as LocalGraph
    from kg_rag.store.local import open_graph as open_graph
    from kg_rag.store.port import GraphStore as GraphStore
    from kg_rag.store.sources.port import Records as Records
    from kg_rag.store.sources.tables import Tables as Tables

_HOME = {
    "Context": "context.builder",
    "ContextBuilder": "context.builder",
    "Edge": "graph",
    "EdgeFilter": "store.filters",
    "EdgeRecord": "graph",
    "GraphStore": "store.port",
    "GroundedAnswer": "pipeline",
    "KnowledgeGraphError": "errors",
    "KnowledgeGraphRAG": "pipeline",
    "KnowledgeGraphRetriever": "langchain",
    "Linker": "linking.linker",
    "LocalGraph": "store.local",
    "MentionFinder": "linking.mentions",
    "Neighbourhood": "retrieval.neighbourhood",
    "Node": "graph",
    "NodeRecord": "graph",
    "PageRankEdges": "retrieval.subgraph",
    "PathPredictor": "retrieval.paths",
    "PrizeSubgraph": "retrieval.subgraph",
    "Records": "store.sources.port",
    "Relation": "graph",
    "Schema": "graph",
    "Tables": "store.sources.tables",
    "TypedPaths": "retrieval.paths",
    "build_graph": "store.build",
    "compare": "store.drift",
    "open_graph": "store.local",
}

__all__ = [
    "Context",
    "ContextBuilder",
    "Edge",
    "EdgeFilter",
    "EdgeRecord",
    "GraphStore",
    "GroundedAnswer",
    "KnowledgeGraphError",
    "KnowledgeGraphRAG",
    "KnowledgeGraphRetriever",
    "Linker",
    "LocalGraph",
    "MentionFinder",
    "Neighbourhood",
    "Node",
    "NodeRecord",
    "PageRankEdges",
    "PathPredictor",
    "PrizeSubgraph",
    "Records",
    "Relation",
    "Schema",
    "Tables",
    "TypedPaths",
    "build_graph",
    "compare",
    "open_graph",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
