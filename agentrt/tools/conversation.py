"""A conversation between agents as a tool: a line of a plan, a step of a workflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from agentrt.tools.decorator import tool
from executor import Tool

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from multiagent import Agent, Protocol, Until

NAMES = ("alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi")
"""Names of agents that are only told apart by what they know."""


class Talk(TypedDict):
    """What a conversation came to. `answer` is None where the agents found none."""

    answer: str | None
    stop_reason: str
    tokens: int
    transcript: str


def conversation(
    model: BaseChatModel | str | Path,
    *,
    agents: list[Agent] | None = None,
    protocol: Protocol | None = None,
    format: str = "compact",
    until: Until | None = None,
    name: str = "converse",
) -> Tool:
    """A `pure` tool that lets agents talk a question through.

    Args:
        model: speaks for the agents: a chat model, or what names one for `open_model`. A named one is opened for as
            long as a call takes; a runtime with the same model shares its server.
        agents: who takes part; without them there is one agent for each context of the call, two at least.
        protocol: the kind of conversation; without it contexts are exchanged, and a question without any is debated.
        format: how messages are written.
        until: when it ends; agreement, ten turns or 800 tokens where nothing is said.
        name: what plans call it.
    """
    from agentrt.serving import held_to, open_model
    from multiagent import Agent as Speaker
    from multiagent import Agreement, Conversation, Debate, InfoExchange, MaxTurns, TokenBudget

    ends = until or (Agreement() | MaxTurns(10) | TokenBudget(800))

    @tool(effect="pure", name=name)
    async def converse(question: str, contexts: list[str] | None = None) -> Talk:
        """Lets agents talk a question through and gives their answer.

        Args:
            question: what they talk about.
            contexts: what each agent alone knows, a text for each agent.
        """
        taking_part = agents or agents_for(contexts or [], Speaker)
        default = InfoExchange() if contexts else Debate()
        talk = Conversation(taking_part, protocol or default, format=format, until=ends, hold=held_to)
        async with open_model(model) as speaker:
            result = await talk.run(question, model=speaker)
        return {
            "answer": result.answer,
            "stop_reason": result.stop_reason,
            "tokens": result.tokens,
            "transcript": result.transcript.render(),
        }

    return converse


def agents_for(contexts: list[str], make: type[Agent], *, least: int = 2) -> list[Agent]:
    """An agent for each context, and as many without one as `least` asks for.

    Raises:
        ValueError: there are more contexts than names.
    """
    if len(contexts) > len(NAMES):
        raise ValueError(f"a conversation takes up to {len(NAMES)} contexts, not {len(contexts)}; join some of them")
    known = [*contexts, *[""] * (least - len(contexts))]
    return [make(called, own) for called, own in zip(NAMES, known, strict=False)]
