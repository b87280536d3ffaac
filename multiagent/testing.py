"""A chat model that says what it is told to: for tests of conversations, yours and ours. No network, no weights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import anyio
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, PrivateAttr

Reply = str | AIMessage
Script = Sequence[Reply] | Callable[[list[BaseMessage]], Reply]


class ScriptedModel(BaseChatModel):
    """Replies from a list, in order, or from a function of the prompt. It records every prompt it was given.

    A reply counts one token a word. `gate`, where given, is waited for before each reply, so that a test can
    hold a call open and let it go.
    """

    script: Any = Field(description="replies in order, or a function of the prompt")
    gate: Any = None
    prompts: list[list[BaseMessage]] = Field(default_factory=list[list[BaseMessage]])
    settings: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    _used: int = PrivateAttr(default=0)

    @classmethod
    def saying(cls, script: Script, *, gate: anyio.Event | None = None) -> ScriptedModel:
        """A model that says `script`."""
        return cls(script=script, gate=gate)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(**kwargs)

    def _reply(self, messages: list[BaseMessage], settings: dict[str, Any]) -> AIMessage:
        self.prompts.append(list(messages))
        self.settings.append(settings)
        if callable(self.script):
            reply = self.script(messages)
        else:
            if self._used >= len(self.script):
                raise RuntimeError(f"the script has {len(self.script)} replies and was asked for one more")
            reply = self.script[self._used]
            self._used += 1
        message = reply if isinstance(reply, AIMessage) else AIMessage(content=str(reply))
        read = sum(len(str(part.text).split()) for part in messages)
        wrote = len(message.text.split())
        usage = UsageMetadata(input_tokens=read, output_tokens=wrote, total_tokens=read + wrote)
        return message.model_copy(update={"usage_metadata": usage})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await self._open()
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await self._open()
        message = self._reply(messages, kwargs)
        for piece in _pieces(message.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=message.usage_metadata, tool_calls=message.tool_calls)
        )

    async def _open(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()


def _pieces(text: str) -> Iterator[str]:
    words = text.split(" ")
    for at, word in enumerate(words):
        yield word if at == 0 else f" {word}"
