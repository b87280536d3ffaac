"""A knowledge graph as a tool: statements with their provenance for a question, inside a token budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentrt.tools.decorator import tool
from executor import Tool

if TYPE_CHECKING:
    from kg_rag import KnowledgeGraphRAG


def knowledge_graph(graph: str | Path | KnowledgeGraphRAG, *, name: str = "knowledge_graph", budget: int = 512) -> Tool:
    """A `pure` tool that looks a question up in a graph.

    Args:
        graph: a graph's folder, or a pipeline that is open already.
        name: what plans call it.
        budget: most tokens of one result.

    Raises:
        kg_rag.KnowledgeGraphError: the graph cannot be opened.
    """
    from kg_rag import ContextBuilder, KnowledgeGraphRAG, open_graph

    if isinstance(graph, KnowledgeGraphRAG):
        pipeline = graph
    else:
        pipeline = KnowledgeGraphRAG(open_graph(graph), builder=ContextBuilder(budget))
    held = ", ".join(sorted(pipeline.graph.info.kinds)[:12])

    @tool(effect="pure", name=name, description=f"Finds statements about {held} in a knowledge graph.")
    def look_up(question: str) -> str:
        """Finds statements in a knowledge graph.

        Args:
            question: a question, or the names of things to look up.
        """
        context = pipeline.find(question).context
        return context.text or "The knowledge graph has nothing on this."

    return look_up
