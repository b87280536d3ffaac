"""A langchain chat model over the torch engine."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from typing import Any, cast

import anyio.to_thread
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

from agentrt.serving.rsd.engine import Engine
from agentrt.serving.rsd.request import Progress, Request, Sampling
from agentrt.serving.rsd.shared import SharedEngine


class ChatRSD(BaseChatModel):
    """A chat model whose text comes from a target model, several tokens a pass.

    Calls from different threads or tasks run in one batch. Every setting can be overridden in a call
    (`model.invoke(messages, temperature=0, stop=["\\n"])`).

    Attributes:
        engine: the engine; it must be given the same tokenizer as its decoder.
        tokenizer: a transformers tokenizer with a chat template.
        temperature, top_k, top_p, max_tokens, seed, logprobs: see `Sampling`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine
    tokenizer: Any
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int | None = None
    logprobs: bool = False

    _shared: SharedEngine | None = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "agentrt-rsd"

    def model_post_init(self, context: Any, /) -> None:
        """One shared engine for all copies that `bind` and `with_config` make."""
        super().model_post_init(context)
        self._shared = SharedEngine(self.engine)

    def close(self) -> None:
        """Free the models' caches; calls that still run fail with `EngineClosed`."""
        self._engine_of_all().close()

    def request(self, messages: list[BaseMessage], stop: list[str] | None, **settings: Any) -> Request:
        """The engine's request for a conversation.

        Raises:
            InvalidRequest: the prompt or a setting is out of its range.
        """
        prompt = self.tokenizer.apply_chat_template(
            convert_to_openai_messages(messages), add_generation_prompt=True, tokenize=True, return_dict=False
        )
        names = ("temperature", "top_k", "top_p", "max_tokens", "seed", "logprobs")
        chosen: dict[str, Any] = {name: settings.get(name, getattr(self, name)) for name in names}
        ends = {self.tokenizer.eos_token_id} - {None}
        return Request(prompt, Sampling(**chosen, stop=tuple(stop or ())), frozenset(cast("set[int]", ends)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self.request(messages, stop, **kwargs)
        return self._result(request, list(self._engine_of_all().run(request)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self.request(messages, stop, **kwargs)
        cancelled = threading.Event()
        run = functools.partial(list[Progress], self._engine_of_all().run(request, cancelled))
        try:
            return self._result(request, await anyio.to_thread.run_sync(run, abandon_on_cancel=True))
        finally:
            # The thread outlives a cancelled task by one round: this tells it to stop there.
            cancelled.set()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for progress in self._engine_of_all().run(self.request(messages, stop, **kwargs)):
            info: dict[str, Any] = {"finish_reason": progress.finish} if progress.finish else {}
            if progress.logprobs:
                info["logprobs"] = list(progress.logprobs)
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=progress.text), generation_info=info)
            if run_manager is not None:
                run_manager.on_llm_new_token(progress.text, chunk=chunk)
            yield chunk

    def _result(self, request: Request, steps: list[Progress]) -> ChatResult:
        tokens = sum(len(step.tokens) for step in steps)
        info: dict[str, Any] = {"finish_reason": steps[-1].finish}
        if request.sampling.logprobs:
            info["logprobs"] = [value for step in steps for value in step.logprobs]
        message = AIMessage(
            content="".join(step.text for step in steps),
            response_metadata=info,
            usage_metadata={
                "input_tokens": len(request.prompt),
                "output_tokens": tokens,
                "total_tokens": len(request.prompt) + tokens,
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)])

    def _engine_of_all(self) -> SharedEngine:
        assert self._shared is not None
        return self._shared
