"""`ChatVLLM`: a langchain-core chat model for vLLM and anything else that speaks its HTTP protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

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
from agentrt.serving.connections import Connections
from agentrt.serving.endpoints import Endpoints
from agentrt.serving.errors import EndpointUnreachable, ModelNotServed, RequestRefused, ServerDied, ServingError
from agentrt.serving.request_errors import ConnectionLost, Endpoint, connection_lost, translate
from agentrt.serving.structured import structured_runnable, told
from agentrt.serving.wire import chunk_of, payload, result_of

# Another server may do better.
_BUSY = frozenset({429, 502, 503, 504})


class ChatVLLM(BaseChatModel):
    """A chat model behind an OpenAI-compatible URL.

    Requests may carry vLLM's constraints: `model.bind(structured_outputs={"grammar": ebnf})`, or with
    `regex`, `choice` or `json` in its place. When a stream is closed or its task is cancelled, the
    request ends at the server too.

    Attributes:
        base_url: API root, usually ending in `/v1`.
        base_urls: Further roots of equal servers. A request goes to the one with the fewest of ours, and to
            another when it fails there before the first word.
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
    base_urls: tuple[str, ...] = ()
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

    revived: Callable[[], bool] | None = Field(default=None, exclude=True, repr=False)
    """Asked in a worker thread when the server died before it said anything: whether it answers again."""

    _endpoints: Endpoints | None = PrivateAttr(default=None)
    _connections: tuple[object, Connections] | None = PrivateAttr(default=None)

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
        request = self._request(messages, stop, kwargs)
        tried: list[str] = []
        while True:
            with self._servers().least_loaded(tried) as url:
                try:
                    async with self._atranslated(url):
                        client = self._clients().with_await(url)
                        completions: Any = client.chat.completions
                        return result_of(await completions.create(**await self._anamed(client, request)))
                except ServingError as error:
                    if not self._elsewhere(error, url, tried) and not await self._arevived(error, tried):
                        raise

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs) | _STREAMED
        tried: list[str] = []
        begun = finished = False
        while not finished:
            with self._servers().least_loaded(tried) as url:
                try:
                    async with self._open_stream(url, request) as events:
                        async for event in events:
                            chunk = chunk_of(event)
                            if chunk is None:
                                continue
                            finished = finished or "finish_reason" in chunk.message.response_metadata
                            begun = True
                            if run_manager:
                                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                            yield chunk
                        if not finished:
                            raise ConnectionLost
                except ServingError as error:
                    # What was said cannot be taken back, so from the first word on there is no second try.
                    if begun or not (self._elsewhere(error, url, tried) or await self._arevived(error, tried)):
                        raise

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, kwargs)
        tried: list[str] = []
        while True:
            with self._servers().least_loaded(tried) as url:
                try:
                    with self._translated(url):
                        client = self._clients().without_await(url)
                        completions: Any = client.chat.completions
                        return result_of(completions.create(**self._named(client, request)))
                except ServingError as error:
                    if not self._elsewhere(error, url, tried) and not self._revived(error, tried):
                        raise

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs) | _STREAMED
        tried: list[str] = []
        begun = finished = False
        while not finished:
            with self._servers().least_loaded(tried) as url:
                try:
                    with self._translated(url):
                        client = self._clients().without_await(url)
                        completions: Any = client.chat.completions
                        with completions.create(**self._named(client, request)) as events:
                            for event in events:
                                chunk = chunk_of(event)
                                if chunk is None:
                                    continue
                                finished = finished or "finish_reason" in chunk.message.response_metadata
                                begun = True
                                if run_manager:
                                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                                yield chunk
                        if not finished:
                            raise ConnectionLost
                except ServingError as error:
                    if begun or not (self._elsewhere(error, url, tried) or self._revived(error, tried)):
                        raise

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
        await self._clients().aclose()

    def close(self) -> None:
        """Close the connections of calls without `await`; the next request opens new ones."""
        self._clients().close()

    @asynccontextmanager
    async def _open_stream(self, url: str, request: dict[str, Any]) -> AsyncGenerator[Any]:
        async with self._atranslated(url):
            client = self._clients().with_await(url)
            completions: Any = client.chat.completions
            async with await completions.create(**await self._anamed(client, request)) as events:
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
        if kwargs.pop("told", False):
            messages = told(messages, kwargs.get("response_format"))
        return payload(messages, {**settings, **kwargs, "extra_body": extra}, stop or self.stop)

    async def _anamed(self, client: Any, request: dict[str, Any]) -> dict[str, Any]:
        if self.model is None and "model" not in request:
            listed = await client.models.list()
            self.model = self._first([entry.id for entry in listed.data])
        return {"model": self.model, **request}

    def _named(self, client: Any, request: dict[str, Any]) -> dict[str, Any]:
        if self.model is None and "model" not in request:
            self.model = self._first([entry.id for entry in client.models.list().data])
        return {"model": self.model, **request}

    def _first(self, served: list[str]) -> str:
        if not served:
            raise ModelNotServed(f"{self.base_url} lists no model. Give its name as model=, or load one there.")
        return served[0]

    def _servers(self) -> Endpoints:
        urls = tuple(dict.fromkeys((self.base_url, *self.base_urls)))
        if self._endpoints is None or self._endpoints.urls != urls:
            self._endpoints = Endpoints(urls)
        return self._endpoints

    def _clients(self) -> Connections:
        made_with = (self.api_key, self.timeout, self.max_retries)
        if self._connections is None or self._connections[0] != made_with:
            self._connections = (made_with, Connections(*made_with))
        return self._connections[1]

    def _elsewhere(self, error: ServingError, url: str, tried: list[str]) -> bool:
        """Whether a request that failed at `url` before it was answered may go to another server."""
        busy = isinstance(error, RequestRefused) and error.status in _BUSY
        if not busy and not isinstance(error, EndpointUnreachable | ServerDied):
            return False
        tried.append(url)
        self._servers().failed(url)
        return self._servers().left(tried)

    def _revived(self, error: ServingError, tried: Sequence[str]) -> bool:
        """Whether a server of ours that died is there again; asked once for a request."""
        return isinstance(error, ServerDied) and len(tried) == 1 and self.revived is not None and self.revived()

    async def _arevived(self, error: ServingError, tried: Sequence[str]) -> bool:
        return await anyio.to_thread.run_sync(self._revived, error, tried, abandon_on_cancel=True)

    def _endpoint(self, url: str, why: str | None = None) -> Endpoint:
        return Endpoint(url, self.model or "unnamed", self.timeout, why)

    @contextmanager
    def _translated(self, url: str) -> Generator[None]:
        try:
            yield
        except Exception as error:
            why = self.obituary() if self.obituary and connection_lost(error) else None
            ours = translate(error, self._endpoint(url, why))
            if ours is None:
                raise
            raise ours from error

    @asynccontextmanager
    async def _atranslated(self, url: str) -> AsyncGenerator[None]:
        try:
            yield
        except Exception as error:
            why = None
            if self.obituary and connection_lost(error):
                why = await anyio.to_thread.run_sync(self.obituary)
            ours = translate(error, self._endpoint(url, why))
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
