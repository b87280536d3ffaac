"""`ChatVLLM`: a langchain-core chat model for vLLM and anything else that speaks its HTTP protocol."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from agentrt.serving.capabilities import Capabilities
from agentrt.serving.errors import ModelNotServed
from agentrt.serving.request_errors import ConnectionLost, Endpoint, connection_lost, translate
from agentrt.serving.structured import structured_runnable
from agentrt.serving.wire import chunk_of, payload, result_of

if TYPE_CHECKING:
    import openai

_NO_KEY = "none"
# Seconds until somebody who does not answer the door is not at home.
_CONNECT = 10.0
_LOOPBACK = re.compile(r"http://(127\.|localhost[:/]|\[::1\])")


class ChatVLLM(BaseChatModel):
    """A chat model behind an OpenAI-compatible URL.

    Requests may carry vLLM's constraints: `model.bind(structured_outputs={"grammar": ebnf})`, or with
    `regex`, `choice` or `json` in its place. When a stream is closed or its task is cancelled, the
    request ends at the server too.

    Attributes:
        base_url: API root, usually ending in `/v1`.
        api_key: Key; without one `OPENAI_API_KEY` is used, and without that none.
        model: Name of the model there; without one the first that the endpoint lists.
        temperature: 0 is greedy; None leaves it to the server, as do the None of those below.
        top_p: Nucleus of the distribution to sample from.
        max_tokens: Longest answer, in tokens.
        seed: Makes sampling repeatable.
        stop: Strings that end the answer.
        timeout: Seconds without a word from the server after which a request fails.
        max_retries: How often a request that failed before it was answered is sent again.
        priority: Lower is served earlier, where the server schedules by priority.
        extra_body: Further members of the request's body.
        known: What the endpoint can do, where that is known; else it is asked when somebody wants to know.

    Every field from `temperature` on, and `n`, `logprobs`, `top_logprobs`, `top_k`, `tools` and whatever
    else the protocol has, can be given with a call or bound: `model.bind(priority=-1)`.

    Raises:
        EndpointUnreachable, AuthenticationFailed, ModelNotServed, ContextTooLong, RequestTimeout,
        RequestRefused: What can go wrong with a request.
        ServerDied: The server was started by agentrt and has ended; the message has its last words.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    base_url: str
    api_key: SecretStr | None = None
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    timeout: float = 600.0
    max_retries: int = 2
    priority: int | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    known: Capabilities | None = Field(default=None, exclude=True, repr=False)
    obituary: Callable[[], str | None] | None = Field(default=None, exclude=True, repr=False)
    """Asked in a worker thread when a connection is lost: why the server is dead, or None while it lives."""

    _async: tuple[asyncio.AbstractEventLoop, openai.AsyncOpenAI] | None = PrivateAttr(default=None)
    _sync: openai.OpenAI | None = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "agentrt-vllm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"base_url": self.base_url, "model": self.model, "temperature": self.temperature}

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with self._atranslated():
            completions: Any = self._async_client().chat.completions
            request = self._request(messages, stop, kwargs)
            return result_of(await completions.create(**await self._anamed(request)))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with self._open_stream(messages, stop, kwargs) as events:
            finished = False
            async for event in events:
                chunk = chunk_of(event)
                if chunk is None:
                    continue
                finished = finished or "finish_reason" in chunk.message.response_metadata
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            if not finished:
                raise ConnectionLost

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._translated():
            completions: Any = self._client().chat.completions
            request = self._request(messages, stop, kwargs)
            return result_of(completions.create(**self._named(request)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs) | _STREAMED
        completions: Any = self._client().chat.completions
        with self._translated(), completions.create(**self._named(request)) as events:
            finished = False
            for event in events:
                chunk = chunk_of(event)
                if chunk is None:
                    continue
                finished = finished or "finish_reason" in chunk.message.response_metadata
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            if not finished:
                raise ConnectionLost

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools it may call.

        Args:
            tools: Functions, langchain tools, pydantic classes or OpenAI tool schemas.
            tool_choice: `auto` (the model decides), `none`, `any`, `required` or True (some call must be
                made), or the name of the tool that must be called.
            strict: Whether arguments must fit the schema exactly, where the server knows the difference.
            parallel_tool_calls: Whether one answer may hold several calls.
            kwargs: Further arguments of every call.
        """
        described = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        names = [tool["function"]["name"] for tool in described]
        chosen = _tool_choice(tool_choice, names)
        extra = {"tool_choice": chosen, "parallel_tool_calls": parallel_tool_calls}
        return self.bind(tools=described, **{k: v for k, v in extra.items() if v is not None}, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """A runnable whose answers fit a schema: the server constrains what can be generated.

        Args:
            schema: A pydantic class (answers are instances), a `TypedDict` or a JSON schema (dicts).
            include_raw: Answer with `raw`, `parsed` and `parsing_error` instead.
            kwargs: `method`: `json_schema` (the default), `function_calling` or `json_mode`, which asks for
                JSON without saying which; `strict` is taken and always on.
        """
        return structured_runnable(self, schema, include_raw=include_raw, **kwargs)

    async def capabilities(self) -> Capabilities:
        """What the endpoint can be asked for; found out by a few small requests, once.

        Raises:
            RequestError: It cannot be reached, or refuses every request.
        """
        if self.known is None:
            from agentrt.serving.asking import ask_for_capabilities

            self.known = await ask_for_capabilities(self)
        return self.known

    async def aclose(self) -> None:
        """Close the connections; the next request opens new ones."""
        held, self._async = self._async, None
        if held is not None and held[0] is asyncio.get_running_loop():
            await held[1].close()
        self.close()

    def close(self) -> None:
        """Close the connections of calls without `await`; the next request opens new ones."""
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    @asynccontextmanager
    async def _open_stream(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any]:
        async with self._atranslated():
            completions: Any = self._async_client().chat.completions
            request = self._request(messages, stop, kwargs) | _STREAMED
            async with await completions.create(**await self._anamed(request)) as events:
                yield events

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        settings = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "priority": self.priority,
        }
        extra = {**self.extra_body, **kwargs.pop("extra_body", {})}
        kwargs.pop("ls_structured_output_format", None)
        return payload(messages, {**settings, **kwargs, "extra_body": extra}, stop or self.stop)

    async def _anamed(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.model is None and "model" not in request:
            listed = await self._async_client().models.list()
            self.model = self._first([entry.id for entry in listed.data])
        return {"model": self.model, **request}

    def _named(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.model is None and "model" not in request:
            self.model = self._first([entry.id for entry in self._client().models.list().data])
        return {"model": self.model, **request}

    def _first(self, served: list[str]) -> str:
        if not served:
            raise ModelNotServed(f"{self.base_url} lists no model. Give its name as model=, or load one there.")
        return served[0]

    def _key(self) -> str:
        given = self.api_key.get_secret_value() if self.api_key else os.environ.get("OPENAI_API_KEY")
        return given or _NO_KEY

    def _async_client(self) -> openai.AsyncOpenAI:
        # Connections belong to the event loop that opened them.
        loop = asyncio.get_running_loop()
        if self._async is None or self._async[0] is not loop:
            import openai

            client = openai.AsyncOpenAI(**self._access())
            self._async = (loop, client)
        return self._async[1]

    def _client(self) -> openai.OpenAI:
        if self._sync is None:
            import openai

            self._sync = openai.OpenAI(**self._access())
        return self._sync

    def _access(self) -> dict[str, Any]:
        import openai

        # Connecting costs nothing on this machine, and a connection kept open would outlive an event loop
        # that ends without `aclose`, or the server behind it.
        headers = {"Connection": "close"} if _LOOPBACK.match(self.base_url) else {}
        return {
            "base_url": self.base_url,
            "api_key": self._key(),
            "timeout": openai.Timeout(self.timeout, connect=min(self.timeout, _CONNECT)),
            "max_retries": self.max_retries,
            "default_headers": headers,
        }

    def _endpoint(self, why: str | None = None) -> Endpoint:
        return Endpoint(self.base_url, self.model or "unnamed", self.timeout, why)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            why = self.obituary() if self.obituary and connection_lost(error) else None
            ours = translate(error, self._endpoint(why))
            if ours is None:
                raise
            raise ours from error

    @asynccontextmanager
    async def _atranslated(self) -> AsyncGenerator[None]:
        try:
            yield
        except Exception as error:
            why = None
            if self.obituary and connection_lost(error):
                why = await anyio.to_thread.run_sync(self.obituary)
            ours = translate(error, self._endpoint(why))
            if ours is None:
                raise
            raise ours from error


def _tool_choice(wanted: dict[str, Any] | str | bool | None, names: Sequence[str]) -> dict[str, Any] | str | None:
    if wanted is True or wanted in ("any", "required"):
        return "required"
    if not wanted:
        return None
    if isinstance(wanted, str) and wanted in names:
        return {"type": "function", "function": {"name": wanted}}
    if isinstance(wanted, dict) or wanted in ("auto", "none"):
        return wanted
    raise ValueError(f"tool_choice={wanted!r} names no bound tool; there are: {', '.join(names)}")


_STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
