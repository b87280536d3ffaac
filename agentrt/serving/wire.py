"""Between langchain-core's messages and the chat completions protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

if TYPE_CHECKING:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletion, ChatCompletionChunk


def payload(messages: Sequence[BaseMessage], settings: Mapping[str, Any], stop: Sequence[str] | None) -> dict[str, Any]:
    """The arguments of `chat.completions.create`, without the model's name.

    Args:
        messages: The conversation.
        settings: Request settings; those that are None are left to the server. `structured_outputs` is
            vLLM's own and travels in the extra body.
        stop: Strings that end the answer; they are no part of it.
    """
    request = {name: value for name, value in settings.items() if value is not None}
    extra: dict[str, Any] = dict(request.pop("extra_body", {}))
    structured = request.pop("structured_outputs", None)
    if structured is not None:
        extra["structured_outputs"] = structured
    if extra:
        request["extra_body"] = extra
    if stop:
        request["stop"] = list(stop)
    request["messages"] = convert_to_openai_messages(messages)
    return request


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


def result_of(completion: ChatCompletion) -> ChatResult:
    """A whole answer; several when `n` was asked for, the usage on the first."""
    usage = usage_of(completion.usage)
    generations: list[ChatGeneration] = []
    for number, choice in enumerate(completion.choices):
        about: dict[str, Any] = {"model_name": completion.model, "finish_reason": choice.finish_reason}
        if choice.logprobs is not None:
            about["logprobs"] = choice.logprobs.model_dump()
        message = AIMessage(
            content=choice.message.content or "",
            response_metadata=about,
            usage_metadata=usage if number == 0 else None,
        )
        generations.append(ChatGeneration(message=message, generation_info=about))
    return ChatResult(generations=generations, llm_output={"model_name": completion.model})


def chunk_of(event: ChatCompletionChunk) -> ChatGenerationChunk | None:
    """One piece of a streamed answer; None for an event that carries nothing."""
    usage = usage_of(event.usage)
    if not event.choices:
        if usage is None:
            return None
        last = AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")
        return ChatGenerationChunk(message=last)
    choice = event.choices[0]
    text = choice.delta.content or ""
    if not text and choice.finish_reason is None:
        return None
    about: dict[str, Any] = {}
    if choice.finish_reason is not None:
        about = {"model_name": event.model, "finish_reason": choice.finish_reason}
    return ChatGenerationChunk(
        message=AIMessageChunk(content=text, response_metadata=about), generation_info=about or None
    )
