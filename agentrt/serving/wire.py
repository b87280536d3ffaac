"""Between langchain-core's messages and the chat completions protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.content import InvalidToolCall
from langchain_core.messages.tool import ToolCall, ToolCallChunk, tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

if TYPE_CHECKING:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage

# Members that vLLM and its kin know and the client library does not.
_OUTSIDE_THE_PROTOCOL = ("structured_outputs", "priority", "top_k", "min_p", "min_tokens", "repetition_penalty")


def payload(messages: Sequence[BaseMessage], settings: Mapping[str, Any], stop: Sequence[str] | None) -> dict[str, Any]:
    """The arguments of `chat.completions.create`, without the model's name.

    Args:
        messages: The conversation.
        settings: Request settings; those that are None are left to the server. What only vLLM knows
            (`structured_outputs`, `priority`, `top_k` and others) travels in the extra body.
        stop: Strings that end the answer; they are no part of it.
    """
    request = {name: value for name, value in settings.items() if value is not None}
    extra: dict[str, Any] = dict(request.pop("extra_body", {}))
    extra |= {name: request.pop(name) for name in _OUTSIDE_THE_PROTOCOL if name in request}
    if extra:
        request["extra_body"] = extra
    if stop:
        request["stop"] = list(stop)
    spoken = [_spoken(message) for message in messages]
    request["messages"] = [_outgoing(message) for message in convert_to_openai_messages(spoken)]
    return request


def _spoken(message: BaseMessage) -> BaseMessage:
    """An answer of before as text: its content may hold blocks for calls too, which servers refuse there."""
    if isinstance(message, AIMessage) and isinstance(message.content, list):
        return message.model_copy(update={"content": str(message.text)})
    return message


def _outgoing(message: dict[str, Any]) -> dict[str, Any]:
    """A message as chat templates take it: many join texts and fail at a content that is null."""
    return message if message.get("content") is not None else {**message, "content": ""}


def usage_of(usage: CompletionUsage | None) -> UsageMetadata | None:
    """Token counts in langchain-core's form; tokens from the prefix cache count as `cache_read`."""
    if usage is None:
        return None
    counts = UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    if cached is not None:
        counts["input_token_details"] = InputTokenDetails(cache_read=cached)
    return counts


def served_of(answer: ChatCompletion | ChatCompletionChunk) -> dict[str, float]:
    """What vLLM counted for one request, where it was told to: `first_token` in seconds from the request's arrival, and
    tokens `drafted` and `accepted`; what it did not say is missing."""
    metrics: dict[str, Any] = (answer.model_extra or {}).get("metrics") or {}
    found: dict[str, float] = {}
    if (wait := metrics.get("time_to_first_token_ms")) is not None:
        found["first_token"] = (wait + (metrics.get("queue_time_ms") or 0.0)) / 1000
    if drafts := metrics.get("speculative_decoding"):
        found |= {"drafted": drafts["num_draft_tokens"], "accepted": drafts["num_accepted_draft_tokens"]}
    return found


def result_of(completion: ChatCompletion) -> ChatResult:
    """A whole answer; several when `n` was asked for, the usage on the first."""
    usage, served = usage_of(completion.usage), served_of(completion)
    generations: list[ChatGeneration] = []
    for number, choice in enumerate(completion.choices):
        about: dict[str, Any] = {"model_name": completion.model, "finish_reason": choice.finish_reason}
        if choice.logprobs is not None:
            about["logprobs"] = choice.logprobs.model_dump()
        if served and number == 0:
            about["served"] = served
        calls, invalid = _calls_of(choice.message)
        message = AIMessage(
            content=choice.message.content or "",
            tool_calls=calls,
            invalid_tool_calls=invalid,
            response_metadata=about,
            usage_metadata=usage if number == 0 else None,
        )
        generations.append(ChatGeneration(message=message, generation_info=about))
    return ChatResult(generations=generations, llm_output={"model_name": completion.model})


def _calls_of(message: ChatCompletionMessage) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The tool calls of an answer, and those whose arguments are no JSON object."""
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in message.tool_calls or ():
        raw = call.model_dump()
        try:
            parsed: dict[str, Any] | None = parse_tool_call(raw, return_id=True)
        except ValueError as error:
            invalid.append(make_invalid_tool_call(raw, str(error)))
            continue
        if parsed is None:
            continue
        arguments: object = parsed["args"]
        if isinstance(arguments, dict):
            given = cast("dict[str, Any]", arguments)
            calls.append(ToolCall(name=parsed["name"], args=given, id=parsed["id"], type="tool_call"))
        else:
            invalid.append(make_invalid_tool_call(raw, "the arguments are no JSON object"))
    return calls, invalid


def chunk_of(event: ChatCompletionChunk) -> ChatGenerationChunk | None:
    """One piece of a streamed answer; None for an event that carries nothing."""
    usage = usage_of(event.usage)
    if not event.choices:
        if usage is None:
            return None
        served = served_of(event)
        about = {"served": served} if served else {}
        last = AIMessageChunk(content="", usage_metadata=usage, response_metadata=about, chunk_position="last")
        return ChatGenerationChunk(message=last)
    choice = event.choices[0]
    text = choice.delta.content or ""
    calls = _call_chunks(choice.delta.tool_calls or ())
    if not text and not calls and choice.finish_reason is None:
        return None
    about: dict[str, Any] = {}
    if choice.finish_reason is not None:
        about = {"model_name": event.model, "finish_reason": choice.finish_reason}
    if choice.logprobs is not None:
        about["logprobs"] = choice.logprobs.model_dump()
    message = AIMessageChunk(content=text, tool_call_chunks=calls, response_metadata=about)
    return ChatGenerationChunk(message=message, generation_info=about or None)


def _call_chunks(pieces: Iterable[Any]) -> list[ToolCallChunk]:
    """The calls that an event adds to, one piece each.

    Where several tokens come in one pass, vLLM sends name and arguments of a call as two pieces of one event. Added up
    by langchain, what follows would go to the first of them and the arguments fall apart.
    """
    calls: dict[int, ToolCallChunk] = {}
    for piece in pieces:
        said = piece.function
        call = calls.setdefault(piece.index, tool_call_chunk(index=piece.index))
        call["id"] = call["id"] or piece.id
        if said and said.name is not None:
            call["name"] = (call["name"] or "") + said.name
        if said and said.arguments is not None:
            call["args"] = (call["args"] or "") + said.arguments
    return list(calls.values())
