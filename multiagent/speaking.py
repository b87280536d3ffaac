"""One turn of one agent: its model calls, its tool rounds, and what is left of the text for the others to see."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import anyio
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolCall,
    ToolMessage,
    message_to_dict,
)

from multiagent.agent import Agent
from multiagent.errors import ConversationError
from multiagent.transcript import Flag, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.runnables import Runnable

Said = Callable[[str], Awaitable[None]]
"""Receives the pieces of a message while it is written."""

_SPEAK_NOW = "No more tool calls: speak now, with what you have."


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one turn's model calls came to."""

    text: str
    usage: Usage
    flags: frozenset[Flag]
    seconds: float
    logprobs: tuple[float, ...] | None
    steps: tuple[dict[str, Any], ...]


async def speak(
    agent: Agent,
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    *,
    others: Sequence[str],
    limit: int,
    count: Callable[[str], int],
    said: Said | None = None,
) -> Utterance:
    """Lets an agent speak once.

    Args:
        agent: who speaks.
        model: what speaks for it.
        messages: its prompt.
        others: names of the partners, for whom it must not speak.
        limit: tokens all of this turn's calls may write together.
        count: counts tokens where the model does not.
        said: receives the text as it is written; None for models called without streaming.

    Raises:
        Exception: whatever the model raised.
    """
    began = time.monotonic()
    conversation, steps, usage = list(messages), list[BaseMessage](), Usage()
    rounds = 0
    while True:
        may_call = bool(agent.tools) and rounds < agent.max_tool_rounds
        runnable = _with_tools(agent, model) if may_call else model
        settings = {**agent.sampling, "max_tokens": max(1, limit - usage.completion)}
        reply = await _call(runnable, conversation, settings, others, said)
        usage += _usage_of(reply, conversation, count)
        if not may_call or not reply.tool_calls or usage.completion >= limit:
            break
        results = await _run_tools(agent, reply.tool_calls)
        rounds += 1
        if rounds == agent.max_tool_rounds:
            results = [*results, HumanMessage(_SPEAK_NOW)]
        conversation += [reply, *results]
        steps += [reply, *results]
    text, for_others = own_words(reply.text, agent.name, others)
    flags: set[Flag] = set()
    if not text:
        flags.add("empty")
    if for_others:
        flags.add("speaks_for_other")
    if _cut(reply):
        flags.add("cut")
    return Utterance(
        text=text,
        usage=usage,
        flags=frozenset(flags),
        seconds=time.monotonic() - began,
        logprobs=_logprobs_of(reply),
        steps=tuple(message_to_dict(step) for step in steps),
    )


def own_words(text: str, name: str, others: Sequence[str]) -> tuple[str, bool]:
    """What an agent said in its own name, and whether it went on in another's.

    Its own name before the text is dropped. From a line `partner: …` on, the text is not its own; only at the very
    beginning such a line addresses the partner and stays.
    """
    stripped = re.sub(rf"\A\s*\**{re.escape(name)}\**\s*:\**\s*", "", text, flags=re.IGNORECASE).strip()
    mark = _line_of(others).search(stripped, 1) if others else None
    return (stripped[: mark.start()].strip(), True) if mark else (stripped, False)


def _line_of(others: Sequence[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(other) for other in others)
    return re.compile(rf"\n\s*\**(?:{names})\**\s*:", re.IGNORECASE)


def _with_tools(agent: Agent, model: BaseChatModel) -> Runnable[LanguageModelInput, AIMessage]:
    try:
        return model.bind_tools(list(agent.tools))
    except NotImplementedError as error:
        raise ConversationError(
            f"agent {agent.name} has tools, but its model ({type(model).__name__}) cannot call any; "
            "give it a model with bind_tools, or no tools"
        ) from error


async def _call(
    model: Runnable[LanguageModelInput, AIMessage],
    messages: list[BaseMessage],
    settings: Mapping[str, Any],
    others: Sequence[str],
    said: Said | None,
) -> AIMessage:
    if said is None:
        return await model.ainvoke(messages, **settings)
    whole: AIMessageChunk | None = None
    stream = model.astream(messages, **settings)
    async for piece in stream:
        chunk = cast(AIMessageChunk, piece)
        whole = chunk if whole is None else whole + chunk
        if chunk.text:
            await said(chunk.text)
        # Nothing after a line in the partner's name is kept: the rest need not be generated.
        if chunk.text and others and _line_of(others).search(whole.text.strip(), 1):
            break
    return whole if whole is not None else AIMessage("")


async def _run_tools(agent: Agent, calls: Sequence[ToolCall]) -> list[BaseMessage]:
    """Runs the calls of one round at the same time; a failing tool tells the model so and breaks nothing."""
    tools = {tool.name: tool for tool in agent.tools}
    results: list[BaseMessage] = [ToolMessage("", tool_call_id=str(call["id"])) for call in calls]

    async def run(at: int, call: ToolCall) -> None:
        answer: object
        if call["name"] not in tools:
            answer = f"there is no tool {call['name']!r}; there are: {', '.join(tools)}"
        else:
            try:
                answer = await tools[call["name"]].ainvoke({**call, "type": "tool_call"})
            except Exception as error:  # the model reads what went wrong and may try again
                answer = f"{type(error).__name__}: {error}"
        results[at] = (
            answer if isinstance(answer, ToolMessage) else ToolMessage(str(answer), tool_call_id=str(call["id"]))
        )

    async with anyio.create_task_group() as group:
        for at, call in enumerate(calls):
            group.start_soon(run, at, call)
    return results


def _usage_of(reply: AIMessage, prompt: Sequence[BaseMessage], count: Callable[[str], int]) -> Usage:
    reported = reply.usage_metadata
    if reported is not None:
        return Usage(reported["input_tokens"], reported["output_tokens"], 1)
    return Usage(sum(count(message.text) for message in prompt), count(reply.text), 1)


def _metadata(reply: AIMessage) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], reply.response_metadata)  # pyright: ignore[reportUnknownMemberType]  # bare dict


def _cut(reply: AIMessage) -> bool:
    return _metadata(reply).get("finish_reason") == "length"


def _logprobs_of(reply: AIMessage) -> tuple[float, ...] | None:
    """Token logprobs as OpenAI-style endpoints report them."""
    reported = _metadata(reply).get("logprobs")
    entries = cast(Mapping[str, Any], reported).get("content") if isinstance(reported, Mapping) else None
    if not isinstance(entries, list):
        return None
    return tuple(float(entry["logprob"]) for entry in cast(list[Mapping[str, Any]], entries))
