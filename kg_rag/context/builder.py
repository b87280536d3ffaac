"""Builds the context a model is given from ranked edges, inside a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kg_rag.context.pruning import TokenCounter, estimate_tokens, mmr, percentile_rule, within_budget
from kg_rag.context.sentences import Detail, Evidence, sentences
from kg_rag.embedding import Embedder, WordLlamaEmbedder
from kg_rag.errors import BudgetTooSmall
from kg_rag.retrieval.port import Retrieved
from kg_rag.store.port import GraphStore

Rule = Literal["rank", "percentile", "mmr"]
"""How sentences are chosen: as retrieval ranked them; by KG-RAG's percentile and minimum; by marginal relevance."""


@dataclass(frozen=True, slots=True)
class Context:
    """Evidence for one question.

    Attributes:
        evidence: the sentences, best first, numbered in that order.
        tokens: how many tokens `text` has, at most.
        left_out: how many edges were retrieved and did not fit or were pruned.
        notes: what was looked for and not found.
    """

    evidence: tuple[Evidence, ...]
    tokens: int
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One line a sentence, and one a note."""
        return "\n".join([*(one.line for one in self.evidence), *self.notes])

    def find(self, evidence_id: str) -> Evidence | None:
        """The evidence with an id, or None."""
        return next((one for one in self.evidence if one.id == evidence_id), None)


@dataclass(frozen=True, slots=True)
class ContextBuilder:
    """Turns retrieved edges into a context.

    Attributes:
        budget: most tokens of the text, never exceeded.
        count_tokens: the counter of the model that will read it.
        rule: how sentences are chosen.
        detail: how much provenance each line shows; the evidence itself always carries all of it.
        focus: leave out all but the edges that say themselves what is asked, where retrieval can tell which do.
        considered: how many of the best edges are looked at.
        percentile: for the percentile rule.
        minimum: for the percentile rule: least cosine to the question.
        embedder: for the percentile rule and for marginal relevance; WordLlama by default.
    """

    budget: int = 512
    count_tokens: TokenCounter = estimate_tokens
    rule: Rule = "rank"
    detail: Detail = "full"
    focus: bool = True
    considered: int = 600
    percentile: float = 75.0
    minimum: float = 0.5
    embedder: Embedder | None = None

    def build(self, store: GraphStore, question: str, found: Retrieved, notes: Sequence[str] = ()) -> Context:
        """The context for a question; `notes` get a quarter of the budget, and are left out where that is too little.

        Raises:
            BudgetTooSmall: there is evidence and not one sentence of it fits.
        """
        told, spent = within_budget(notes, self.budget // 4, self.count_tokens)
        told = tuple(notes[at] for at in told)
        most = min(self.considered, found.direct) if self.focus and found.direct else self.considered
        edges = found.edges[:most]
        if not len(edges):
            return Context((), spent, 0, told)
        made = sentences(store, edges.tolist(), detail=self.detail)
        made = [made[at] for at in self._choose(question, made, found.scores[:most])]
        if not made:
            return Context((), spent, len(found.edges), told)
        kept, used = within_budget([one.line for one in made], self.budget - spent, self.count_tokens)
        if not kept and told:
            return self.build(store, question, found)
        if not kept:
            raise BudgetTooSmall(self.budget, min(self.count_tokens(one.line) for one in made))
        chosen = sentences(store, [made[at].edge.index for at in kept], detail=self.detail)
        # Ids count from 1 over what stays; they are shorter than before or as long, so the budget still holds.
        return Context(tuple(chosen), used + spent, len(found.edges) - len(chosen), told)

    def _choose(self, question: str, made: Sequence[Evidence], scores: np.typing.NDArray[np.float64]) -> Sequence[int]:
        if self.rule == "rank":
            return range(len(made))
        embedder = self.embedder or WordLlamaEmbedder()
        vectors = embedder.embed([question, *(one.sentence for one in made)])
        similarities = (vectors[1:] @ vectors[0]).astype(np.float64)
        if self.rule == "percentile":
            return percentile_rule(similarities, percentile=self.percentile, minimum=self.minimum).tolist()
        spread = float(np.ptp(scores)) or 1.0
        relevance = (scores - scores.min()) / spread + similarities
        return mmr(relevance, vectors[1:], len(made))
