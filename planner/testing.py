"""A chat model that says what it is told to: for tests of planners, tools and programs built on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field


@runtime_checkable
class Gate(Protocol):
    """Something a reply waits for: an `anyio.Event` or an `asyncio.Event`."""

    async def wait(self) -> object:
        """Returns when the reply may go on."""
        ...


Part = str | Gate | Exception
Reply = Part | Iterable[Part] | Callable[[list[BaseMessage]], "Part | Iterable[Part]"]
"""What one request gets: a text, a failure, parts in order (which may be endless), or what makes one of
these from the messages. At a `Gate` the reply waits."""


class ScriptedChatModel(BaseChatModel):
    """Answers each request with the next of `replies`.

        gate = anyio.Event()
        model = ScriptedChatModel(replies=[['1. search("Heat")', gate, "\\n2. join()"]])

    Stop strings and `max_tokens` are kept to, and usage is reported, with a word for a token.

    Attributes:
        replies: in order.
        chunk: characters a streamed piece has at most; None for each part of a reply in one piece.
        prompts: the messages of each request so far.
        options: the further arguments of each request so far.
        closed_early: streams whose reader left before they ended.

    Raises:
        IndexError: a request for which there is no reply.
    """

    replies: list[Any] = Field(description="each a `Reply`")
    chunk: int | None = None
    prompts: list[list[BaseMessage]] = Field(default_factory=list[list[BaseMessage]])
    options: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    closed_early: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = ""
        for part in self._next(messages, kwargs):
            if isinstance(part, Exception):
                raise part
            if isinstance(part, Gate):
                raise TypeError("a reply with a gate needs an async stream")
            text += part
        text = text[: _end(text, stop)]
        message = AIMessage(content=text, usage_metadata=_usage(messages, text))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        limit: int | None = kwargs.get("max_tokens")
        said = ""
        reason = "stop"
        try:
            for part in self._next(messages, kwargs):
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, Gate):
                    await part.wait()
                    continue
                end = _end(said + part, stop)
                part = part if end is None else part[: max(0, end - len(said))]
                said += part
                size = self.chunk or len(part) or 1
                for at in range(0, len(part), size):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=part[at : at + size]))
                if end is not None:
                    break
                if limit is not None and len(said.split()) > limit:
                    reason = "length"
                    break
            ended = {"finish_reason": reason}
            last = AIMessageChunk(content="", usage_metadata=_usage(messages, said), response_metadata=ended)
            yield ChatGenerationChunk(message=last, generation_info=ended)
        except GeneratorExit:
            self.closed_early += 1
            raise

    def _next(self, messages: list[BaseMessage], options: dict[str, Any]) -> Iterable[Part]:
        index = len(self.prompts)
        self.prompts.append(messages)
        self.options.append(options)
        if index >= len(self.replies):
            raise IndexError(f"the script has {len(self.replies)} replies; request {index + 1} has none")
        reply: Any = self.replies[index]
        if callable(reply):
            reply = reply(messages)
        return [reply] if isinstance(reply, str | Gate | Exception) else reply


def _end(text: str, stop: Sequence[str] | None) -> int | None:
    return min((at for mark in stop or () if (at := text.find(mark)) >= 0), default=None)


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    read = sum(len(str(message.text).split()) for message in messages)
    written = len(text.split())
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
