"""A chat model whose replies are written down, and not asked for again when they are."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import Field

from agentrt.durable.errors import Diverged
from executor import Account, plain
from executor.journal import Past, RunLog

# What a prompt may have in tokens, at most: no tokenizer makes more than one of a byte, and templates add a few.
_TOKENS_A_MESSAGE = 16
_LONGEST_REPLY = 1_024


class ModelRecorder:
    """Writes down what a model replies, keeps requests within a budget, and serves what was written down before.

    Attributes:
        structured: whether a reply was recorded that was held to a schema.

    Args:
        log: where replies are written; None to only keep to the budget.
        past: replies that were written before.
        account: what requests may spend.
        replaying: a request that was not recorded is a `Diverged` instead of a request.
        run: the run's id, for messages.
    """

    def __init__(
        self,
        log: RunLog | None,
        past: Past | None = None,
        account: Account | None = None,
        *,
        replaying: bool = False,
        run: str = "",
    ) -> None:
        self._log = log
        self._account = account
        self._replaying = replaying
        self._run = run
        self._served = 0
        self.structured = False
        self._replies: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        if past is not None:
            self._read(past)

    def _read(self, past: Past) -> None:
        # A stream that was closed early has been read to the end of what mattered only if its reader went on.
        ends = [past.notes[kind][-1].seq for kind in ("PlanFinished", "PlanRejected") if kind in past.notes]
        went_on = max(ends, default=-1)
        for record in past.notes.get("ModelReplied", ()):
            said = json.loads(record.data or "{}")
            self.structured |= str(said.get("kind", "")).startswith("schema")
            if not said.get("lost") and not (said.get("cut") and record.seq > went_on):
                self._replies[said["digest"]].append(said)

    async def stream(
        self, model: BaseChatModel, messages: Sequence[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk]:
        """The pieces of a reply: those written down, then the model's own."""
        digest = _digest("stream", messages, stop, options)
        if recorded := self._recorded(digest):
            for piece in recorded["chunks"]:
                yield _chunk(piece)
            return
        reservation = self._reserve(messages, options)
        pieces: list[dict[str, Any]] = []
        said_in = said_out = 0
        cut = False
        try:
            async with aclosing(self._asked(model, messages, stop, options)) as chunks:
                async for chunk in chunks:
                    if usage := chunk.usage_metadata:
                        said_in += usage["input_tokens"]
                        said_out += usage["output_tokens"]
                    pieces.append(_piece(chunk))
                    yield chunk
        except GeneratorExit:
            cut = True  # its reader has seen enough
            raise
        else:
            if reservation is not None:
                reservation.settle(said_in, said_out or len(pieces))
        finally:
            if cut or sys.exc_info()[0] is None:
                self._write(digest, {"kind": "stream", "chunks": pieces, "cut": cut}, said_in, said_out)

    async def invoke(
        self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], options: Mapping[str, Any], kind: str
    ) -> dict[str, Any]:
        """A whole reply as `{"raw": message, "parsed": data}`, of a chat model or of one held to a schema."""
        digest = _digest(kind, messages, None, options)
        if recorded := self._recorded(digest):
            return {"raw": messages_from_dict([recorded["raw"]])[0], "parsed": recorded.get("parsed")}
        # A whole reply is the joiner's answer, which comes also when the time is spent.
        reservation = self._reserve(messages, options, late=True)
        found = await model.ainvoke([*messages], **options)
        reply = cast("dict[str, Any]", found if isinstance(found, dict) else {"raw": found, "parsed": None})
        usage = cast(AIMessage, reply["raw"]).usage_metadata
        said_in, said_out = (usage["input_tokens"], usage["output_tokens"]) if usage else (0, 0)
        if reservation is not None and usage is not None:
            reservation.settle(said_in, said_out)
        told = {"kind": kind[:6], "raw": message_to_dict(reply["raw"]), "parsed": plain(reply.get("parsed"))}
        self._write(digest, told, said_in, said_out)
        return {"raw": reply["raw"], "parsed": reply.get("parsed")}

    def _recorded(self, digest: str) -> dict[str, Any] | None:
        found = self._replies.get(digest)
        if found:
            self._served += 1
            return found.popleft()
        self._missing("another request")
        return None

    def _missing(self, what: str) -> None:
        if self._replaying:
            recorded = f"{self._served} requests like these" if not any(self._replies.values()) else "another request"
            raise Diverged(self._run, self._served, recorded, f"the model is asked for {what}")

    def _reserve(self, messages: Sequence[BaseMessage], options: Mapping[str, Any], *, late: bool = False) -> Any:
        if self._account is None:
            return None
        prompt = sum(len(str(message.text).encode()) + _TOKENS_A_MESSAGE for message in messages)
        output = options.get("max_tokens") or _LONGEST_REPLY
        reservation = self._account.reserve_tokens(prompt, int(output), late=late)
        if self._log is not None:
            self._log.note("ModelAsked", {"input": prompt, "output": output})
        return reservation

    def _write(self, digest: str, reply: dict[str, object], said_in: int, said_out: int) -> None:
        if self._log is None:
            return
        data = {"digest": digest, "input": said_in, "output": said_out, **reply}
        text = json.dumps(data)
        if self._log.clean(text) is not text:
            data = {"digest": digest, "input": said_in, "output": said_out, "lost": "it contains a secret"}
        self._log.note("ModelReplied", data)

    def _asked(
        self, model: BaseChatModel, messages: Sequence[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk]:
        stream = model.astream([*messages], None, stop=stop, **options)
        return cast("AsyncGenerator[AIMessageChunk]", stream)


class RecordedChatModel(BaseChatModel):
    """A chat model behind a `ModelRecorder`."""

    inner: Any = Field(description="the model that is asked; None where nothing may be asked")
    recorder: Any = Field(description="a `ModelRecorder`")

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise TypeError("a recorded model is asked asynchronously")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        options = kwargs if stop is None else {**kwargs, "stop": stop}
        reply = await self.recorder.invoke(self.inner, messages, options, "whole")
        return ChatResult(generations=[ChatGeneration(message=reply["raw"])])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self.recorder.stream(self.inner, messages, stop, kwargs)) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    def with_structured_output(  # pyright: ignore[reportIncompatibleMethodOverride]  # schemas are data here
        self, schema: dict[str, Any], *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[Any, Any]:
        """As the model's own, with the reply recorded. Raises NotImplementedError where the model has none."""
        if self.inner is None and not self.recorder.structured:
            raise NotImplementedError
        held = None if self.inner is None else self.inner.with_structured_output(schema, include_raw=True, **kwargs)
        kind = "schema " + json.dumps(schema, sort_keys=True, default=str)

        async def ask(prompt: Any, **options: Any) -> Any:
            messages = self._convert_input(prompt).to_messages()
            reply = await self.recorder.invoke(held, messages, options, kind)
            return reply if include_raw else reply["parsed"]

        return RunnableLambda(ask)


def _digest(kind: str, messages: Sequence[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> str:
    told = [kind, [[message.type, message.content] for message in messages], stop, dict(options)]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _piece(chunk: AIMessageChunk) -> dict[str, Any]:
    piece: dict[str, Any] = {"text": str(chunk.text)}
    if chunk.usage_metadata:
        piece["usage"] = dict(chunk.usage_metadata)
    if chunk.response_metadata:
        piece["about"] = json.loads(json.dumps(chunk.response_metadata, default=str))
    return piece


def _chunk(piece: Mapping[str, Any]) -> AIMessageChunk:
    about = piece.get("about", {})
    return AIMessageChunk(content=piece["text"], usage_metadata=piece.get("usage"), response_metadata=about)
