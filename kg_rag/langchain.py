"""The graph as a langchain-core retriever: one document a statement, with its provenance as metadata."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from kg_rag.pipeline import KnowledgeGraphRAG


class KnowledgeGraphRetriever(BaseRetriever):
    """Retrieves statements of a graph for a question, best first, within the pipeline's token budget."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    pipeline: KnowledgeGraphRAG

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [
            Document(
                page_content=one.sentence,
                id=f"{self.pipeline.graph.info.snapshot}/{one.edge.index}",
                metadata={
                    "evidence": one.id,
                    "source": one.triple[0],
                    "type": one.triple[1],
                    "target": one.triple[2],
                    "sources": list(one.edge.sources),
                    "evidence_code": one.edge.evidence,
                    "licence": one.edge.licence,
                },
            )
            for one in self.pipeline.find(query).context.evidence
        ]
