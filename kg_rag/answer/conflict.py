"""What to do when evidence and the model's own knowledge disagree (Situated Faithfulness).

`rcr`, rule-based confidence reasoning: the model answers without and with the evidence, and the fixed rules of `Rules`
pick one by their confidences. `scr`, self-guided confidence reasoning: the model picks. `context` trusts evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from kg_rag.answer.prompt import choose, closed_book, with_evidence
from kg_rag.context.builder import Context
from kg_rag.errors import LogprobsMissing
from kg_rag.words import normalise

Conflict = Literal["context", "rcr", "scr"]
_CITATION = re.compile(r"\[E\d+(?:\s*,\s*E\d+)*\]")


@dataclass(frozen=True, slots=True)
class Rules:
    """The fixed rules of `rcr`, in order: the first that applies decides.

    1. Both answers are the same: that one.
    2. There is no evidence: memory.
    3. Memory is sure (at least `sure`) and surer than the evidence's answer by `margin`: memory.
    4. Otherwise: evidence.
    """

    sure: float = 0.8
    margin: float = 0.1

    def pick(self, memory: Reply, evidence: Reply, context: Context) -> Literal["memory", "evidence"]:
        """Which of two answers the rules choose."""
        if same(memory.text, evidence.text):
            return "evidence"
        if not context.evidence:
            return "memory"
        if memory.confidence >= self.sure and memory.confidence >= evidence.confidence + self.margin:
            return "memory"
        return "evidence"


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer and how sure it was: the geometric mean of its tokens' probabilities, NaN where not given."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer chosen, which one it was, and both."""

    text: str
    chosen: Literal["memory", "evidence"]
    memory: Reply | None
    evidence: Reply


async def resolve(
    model: BaseChatModel,
    question: str,
    context: Context,
    conflict: Conflict,
    *,
    rules: Rules | None = None,
    brief: bool = False,
) -> Resolved:
    """Answers `question`, handling conflict between evidence and the model's own knowledge as told.

    Raises:
        LogprobsMissing: `conflict="rcr"`, and the model gives no log-probabilities.
    """
    asks_logprobs = conflict == "rcr"
    evidence = await _ask(model, with_evidence(question, context, brief=brief), logprobs=asks_logprobs)
    if conflict == "context":
        return Resolved(evidence.text, "evidence", None, evidence)
    memory = await _ask(model, closed_book(question), logprobs=asks_logprobs)
    if conflict == "rcr":
        chosen = (rules or Rules()).pick(memory, evidence, context)
    elif same(memory.text, evidence.text) or not context.evidence:
        chosen = "evidence" if context.evidence else "memory"
    else:
        verdict = await _ask(model, choose(question, memory.text, evidence.text, context), logprobs=False)
        chosen = "memory" if "memory" in verdict.text.casefold() else "evidence"
    return Resolved((memory if chosen == "memory" else evidence).text, chosen, memory, evidence)


def same(one: str, other: str) -> bool:
    """Whether two answers say the same: equal once citations, case and punctuation are gone."""
    return normalise(_CITATION.sub(" ", one)) == normalise(_CITATION.sub(" ", other))


def confidence(message: BaseMessage) -> float:
    """The geometric mean of the probabilities of a reply's tokens; 0 for a reply without any.

    Raises:
        LogprobsMissing: the reply carries none.
    """
    data = cast(Mapping[str, Any], message.response_metadata).get("logprobs")  # pyright: ignore[reportUnknownMemberType] - untyped in langchain-core
    content: Any = data.get("content") if isinstance(data, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON of the server
    values = [float(one["logprob"]) for one in cast(Sequence[Mapping[str, Any]], content or ())]
    if not values:
        if isinstance(content, list) and not str(message.text).strip():
            return 0.0
        raise LogprobsMissing
    return math.exp(sum(values) / len(values))


async def _ask(model: BaseChatModel, messages: Sequence[BaseMessage], *, logprobs: bool) -> Reply:
    reply: AIMessage = await (model.bind(logprobs=True) if logprobs else model).ainvoke(list(messages))
    return Reply(str(reply.text).strip(), confidence(reply) if logprobs else math.nan)
