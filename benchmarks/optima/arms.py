"""The ways to answer that are compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentrt.serving import held_to
from multiagent import (
    Agent,
    Agreement,
    Conversation,
    ConversationResult,
    Debate,
    InfoExchange,
    MaxTurns,
    TokenBudget,
    self_consistency,
)
from multiagent.training import Task

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

UNTIL = Agreement() | MaxTurns(6) | TokenBudget(600)
ALONE = MaxTurns(1)
GREEDY = {"temperature": 0.0}
SAMPLES = 5


@dataclass(frozen=True)
class Outcome:
    """What one way to answer one question came to. `tokens` were written, `prompt` were read, cached ones included."""

    answer: str | None
    tokens: int
    prompt: int
    turns: int
    stop: str
    transcript: str


Arm = Callable[[Task, "BaseChatModel"], Awaitable[Outcome]]


def arms_of(dataset: str, *, quick: bool) -> dict[str, Arm]:
    """The arms of a data set. Arithmetic has no facts to split: there the exchange is a debate in both formats."""
    if dataset == "gsm8k":
        return {
            "alone": alone,
            "debate, plain": lambda task, model: talk(task, model, "debate", "plain"),
            "debate, compact": lambda task, model: talk(task, model, "debate", "compact"),
            "self-consistency": consistent,
        }
    exchange: dict[str, Arm] = {
        "exchange, plain": lambda task, model: talk(task, model, "exchange", "plain"),
        "exchange, compact": lambda task, model: talk(task, model, "exchange", "compact"),
    }
    if quick:
        return exchange
    return {
        "alone, all facts": alone,
        "alone, half the facts": half,
        **exchange,
        "debate, all facts": lambda task, model: talk(task, model, "debate", "plain"),
        "self-consistency": consistent,
    }


async def alone(task: Task, model: BaseChatModel) -> Outcome:
    """One agent with everything."""
    return await _hold(_solo(_all(task), GREEDY), task, model)


async def half(task: Task, model: BaseChatModel) -> Outcome:
    """One agent with the first agent's half."""
    return await _hold(_solo(next(iter(task.contexts.values())), GREEDY), task, model)


async def talk(task: Task, model: BaseChatModel, protocol: str, form: str) -> Outcome:
    """Two agents. In an exchange each has its half; in a debate both have everything."""
    if protocol == "exchange":
        agents = [Agent(name, own, sampling=GREEDY, max_tokens=160) for name, own in task.contexts.items()]
        return await _hold(Conversation(agents, InfoExchange(), format=form, until=UNTIL, hold=held_to), task, model)
    agents = [Agent(name, sampling=GREEDY, max_tokens=256) for name in ("solver", "critic")]
    return await _hold(
        Conversation(agents, Debate(), format=form, until=UNTIL, context=_all(task), hold=held_to), task, model
    )


async def consistent(task: Task, model: BaseChatModel) -> Outcome:
    """The answer most of several samples of one agent with everything agree on."""
    conversation = _solo(_all(task), {"temperature": 0.7, "top_p": 0.95})
    consensus = await self_consistency(conversation, task.question, model=model, samples=SAMPLES, seed=0)
    if consensus.failures:
        raise consensus.failures[0]
    said = "\n".join(sample.transcript.render() for sample in consensus.samples)
    prompt = sum(_read(sample) for sample in consensus.samples)
    stop = f"{len(consensus.groups)} answers"
    return Outcome(consensus.answer, consensus.tokens, prompt, SAMPLES, stop, said)


def _solo(context: tuple[str, ...], sampling: dict[str, float]) -> Conversation:
    return Conversation([Agent("solver", context, sampling=sampling, max_tokens=256)], until=ALONE, hold=held_to)


def _all(task: Task) -> tuple[str, ...]:
    return tuple(part for own in task.contexts.values() for part in own)


async def _hold(conversation: Conversation, task: Task, model: BaseChatModel) -> Outcome:
    result = await conversation.run(task.question, model=model)
    said = result.transcript
    return Outcome(result.answer, result.tokens, _read(result), len(said), result.stop_reason, said.render())


def _read(result: ConversationResult) -> int:
    return sum(usage.prompt for usage in result.usage_by_agent.values())
