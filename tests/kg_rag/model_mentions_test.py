"""What a language model adds: mentions, JSON that fits a schema, and confidences from a server's log-probabilities."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel, Field
from small_graph import N

from kg_rag.answer.conflict import confidence
from kg_rag.errors import LogprobsMissing, ModelReplyError
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.linking.model_mentions import ModelMentions
from kg_rag.pipeline import KnowledgeGraphRAG
from kg_rag.store.local import LocalGraph
from kg_rag.structured import read_json


class Says(BaseChatModel):
    """Says one thing, and keeps what it was asked."""

    text: str
    seen: list[tuple[list[BaseMessage], dict[str, Any]]] = Field(default_factory=list)  # pyright: ignore

    @property
    def _llm_type(self) -> str:
        return "says"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.seen.append((messages, kwargs))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text))])


def mentions(*pairs: tuple[str, str]) -> str:
    return json.dumps({"mentions": [{"name": name, "kind": kind} for name, kind in pairs]})


QUESTION = "Does the old stuff lovapine ease the tumour of lungs?"


async def found(graph: LocalGraph, question: str, reply: str, **options: Any) -> list[tuple[str, int]]:
    finder = MentionFinder(Linker(graph), fuzzy=False)
    links = await ModelMentions(Says(text=reply), finder, **options).find(question)
    return [(link.mention, link.best.node) for link in links if link.best]


@pytest.mark.asyncio
async def test_what_the_model_names_is_linked(small: LocalGraph) -> None:
    assert await found(small, QUESTION, "I refuse.") == []
    assert await found(small, QUESTION, mentions(("lovapine", "Compound"))) == [("lovapine", N["C:1"])]
    # A kind that is wrong, or that the graph has not, does not keep a likely candidate from being found.
    assert await found(small, QUESTION, mentions(("lovapine", "Gene"))) == [("lovapine", N["C:1"])]
    assert await found(small, QUESTION, mentions(("lovapine", "Potion"))) == [("lovapine", N["C:1"])]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reply",
    [
        mentions(("Loxapine", "Compound")),  # stands nowhere in the question
        mentions(("the old stuff", "Compound")),  # is like no node
        mentions(("", "Compound"), ("  ", "")),
        '{"mentions": "all"}',
        "{}",
    ],
)
async def test_what_the_model_makes_up_is_not(small: LocalGraph, reply: str) -> None:
    assert await found(small, QUESTION, reply) == []


@pytest.mark.asyncio
async def test_the_dictionary_goes_first(small: LocalGraph) -> None:
    reply = mentions(("binds Loxapine", "Compound"), ("Loxapine", "Compound"), ("Levcovorin", "Compound"))
    assert await found(small, "What binds Loxapine and Levcovorin?", reply) == [
        ("Loxapine", N["C:1"]),
        ("Levcovorin", N["C:2"]),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("constrained", [True, False])
async def test_the_schema_goes_with_the_request(small: LocalGraph, constrained: bool) -> None:
    model = Says(text=mentions())
    await ModelMentions(model, MentionFinder(Linker(small)), constrained=constrained).find(QUESTION)
    messages, options = model.seen[0]
    assert "<question>" in str(messages[-1].content)
    assert ("response_format" in options) == constrained
    if constrained:
        item = options["response_format"]["json_schema"]["schema"]["properties"]["mentions"]["items"]
        assert "Compound" in item["properties"]["kind"]["enum"]


@pytest.mark.asyncio
async def test_a_pipeline_can_use_it(small: LocalGraph) -> None:
    pipeline = KnowledgeGraphRAG(small)
    named = ModelMentions(Says(text=mentions(("lovapine", "Compound"))), pipeline.finder)
    answer = await pipeline.ask("What does lovapine bind?", Says(text="HTR2C [E1]"), mentions=named)
    assert answer.found.context.evidence[0].triple == ("Loxapine", "binds", "HTR2C")


class Reply(BaseModel):
    triples: list[str]


@given(st.text(max_size=200) | st.from_regex(r'[a-z]*\{"triples": \[("[a-z]*")?,?\]\}?', fullmatch=True))
def test_any_reply_is_what_was_asked_for_or_an_error(text: str) -> None:
    try:
        read_json(text, Reply)
    except ModelReplyError as error:
        assert error.reply == text[:500]


def test_confidence_from_a_servers_reply() -> None:
    from openai.types.chat import ChatCompletion

    from agentrt.serving.wire import result_of

    def reply(text: str, logprobs: object) -> BaseMessage:
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": logprobs,
        }
        data = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        return result_of(ChatCompletion.model_validate(data)).generations[0].message

    tokens = [{"token": "a", "logprob": -0.5, "top_logprobs": []}, {"token": "b", "logprob": -1.5, "top_logprobs": []}]
    assert confidence(reply("ab", {"content": tokens})) == pytest.approx(0.36788, abs=1e-5)
    assert confidence(reply("", {"content": []})) == 0.0
    with pytest.raises(LogprobsMissing):
        confidence(reply("ab", None))
