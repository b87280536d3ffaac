"""From a question to an answer with evidence: link, retrieve, prune, answer, check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from anyio import to_thread
from langchain_core.language_models import BaseChatModel

from kg_rag.answer.citations import CitedSentence, check_citations
from kg_rag.answer.claims import Claim, check_claims
from kg_rag.answer.conflict import Conflict, Resolved, Rules, resolve
from kg_rag.context.builder import Context, ContextBuilder
from kg_rag.errors import EmptyQuestion
from kg_rag.linking.linker import Link, Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.linking.model_mentions import ModelMentions
from kg_rag.retrieval.absence import absences
from kg_rag.retrieval.neighbourhood import Neighbourhood
from kg_rag.retrieval.port import GraphRetriever, Query, Retrieved
from kg_rag.store.filters import EdgeFilter
from kg_rag.store.local import LocalGraph, open_graph

_BESIDE = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What a question found in the graph.

    Attributes:
        question: as it was asked.
        links: its mentions and what they were linked to.
        retrieved: the edges.
        context: made of them.
        absent: sentences on what it asks for and the graph does not state.
    """

    question: str
    links: tuple[Link, ...]
    retrieved: Retrieved
    context: Context
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """An answer and everything it rests on.

    Attributes:
        text: the answer.
        found: links, edges and context.
        sentences: each sentence of the answer with what it cites and whether that holds.
        claims: the triples it states, verified against the graph.
        resolved: both answers, where conflict handling asked twice.
    """

    text: str
    found: Found
    sentences: tuple[CitedSentence, ...]
    claims: tuple[Claim, ...]
    resolved: Resolved

    @property
    def flagged(self) -> tuple[CitedSentence, ...]:
        """Sentences whose citations do not hold."""
        return tuple(one for one in self.sentences if one.verdict != "supported")


@dataclass(slots=True)
class KnowledgeGraphRAG:
    """Answers questions from one graph.

    Attributes:
        graph: the graph.
        retriever: how edges are found; the ranked neighbourhood by default.
        builder: how a context is made of them.
        where: which edges may be used at all.
    """

    graph: LocalGraph
    retriever: GraphRetriever = field(default_factory=Neighbourhood)
    builder: ContextBuilder = field(default_factory=ContextBuilder)
    where: EdgeFilter = field(default_factory=EdgeFilter)
    finder: MentionFinder = field(init=False)

    def __post_init__(self) -> None:
        self.finder = MentionFinder(Linker(self.graph))

    @classmethod
    def open(cls, path: str | Path) -> KnowledgeGraphRAG:
        """Opens the graph at `path`. Raises what `open_graph` raises."""
        return cls(open_graph(path))

    def find(self, question: str, links: Sequence[Link] | None = None) -> Found:
        """Links the question, unless `links` says what it mentions, and gathers its context, without a language model.

        Raises:
            EmptyQuestion: there is nothing in it.
        """
        if not question.strip():
            raise EmptyQuestion
        found = tuple(self.finder.find(question) if links is None else links)
        query = Query(question, found, self.where)
        retrieved = self.retriever.retrieve(self.graph, query)
        absent = tuple(absences(self.graph, query))
        builder = self.builder
        if absent and not retrieved.direct:
            # Nothing says what was asked: a few lines show what there is instead.
            builder = replace(builder, considered=min(builder.considered, _BESIDE))
        context = builder.build(self.graph, question, retrieved, absent)
        return Found(question, found, retrieved, context, absent)

    async def ask(
        self,
        question: str,
        model: BaseChatModel,
        *,
        conflict: Conflict = "context",
        rules: Rules | None = None,
        brief: bool = False,
        mentions: ModelMentions | None = None,
    ) -> GroundedAnswer:
        """Answers a question from the graph and checks the answer against it.

        Args:
            question: the question.
            model: the language model that answers.
            conflict: what to do when evidence and the model's own knowledge disagree.
            rules: the rules of `conflict="rcr"`.
            brief: ask for the bare answer.
            mentions: finds mentions with a language model besides the dictionary's.

        Raises:
            EmptyQuestion: there is nothing in it.
            LogprobsMissing: `conflict="rcr"` with a model that gives no log-probabilities.
        """
        if not question.strip():
            raise EmptyQuestion
        links = await mentions.find(question) if mentions is not None else None
        found = await to_thread.run_sync(self.find, question, links)
        resolved = await resolve(model, question, found.context, conflict, rules=rules, brief=brief)
        claims = await to_thread.run_sync(check_claims, resolved.text, self.graph, self.finder)
        cited = check_citations(resolved.text, found.context)
        return GroundedAnswer(resolved.text, found, tuple(cited), tuple(claims), resolved)
