"""The door to the runtime: who talks how, until when. What happens then is in `multiagent.run`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from multiagent.agent import Agent, Context, check_names
from multiagent.checkpoints import Checkpoints
from multiagent.errors import EndlessConversation
from multiagent.events import ConversationEvent, ConversationResult
from multiagent.formats import Format, format_named
from multiagent.protocols.exchange import InfoExchange, Solo
from multiagent.protocols.port import Protocol
from multiagent.rewards import Reward
from multiagent.run import Run
from multiagent.speakers import Speakers
from multiagent.transcript import Transcript
from multiagent.until import Agreement, MaxTurns, PingPong, Repeats, Silence, Until
from multiagent.view import View, estimate_tokens

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Hold = Callable[["BaseChatModel", str], Awaitable[Mapping[str, Any]]]
"""Makes the arguments that hold a model's text to a grammar; `agentrt.serving.held_to` is one."""

UNTIL: Until = Agreement() | MaxTurns(10)
"""When a conversation ends that does not say: Optima's rule."""

GUARDS: Until = Repeats() | PingPong() | Silence()
"""Stops for conversations that go nowhere; checked after `until`."""


class Conversation:
    """Some agents, the way they talk, and when they stop. It holds no state: one object may run many times at once.

    Args:
        agents: who takes part; their order is that of the rounds.
        protocol: what kind of conversation it is.
        format: how messages are written: a name of `FORMATS`, or a format of your own.
        until: when it ends; see `multiagent.until`. Something in it must come true some day.
        guards: further stops, for conversations that go nowhere; None for none.
        speakers: who speaks next; None leaves it to the protocol.
        context: what all agents know, once at the head of every prompt.
        reward: rates the result of a run that has a reference answer.
        last_answer: tokens for the answer that is asked for when the conversation had to stop without one; 0 never
            asks. A `TokenBudget` in `until` says this itself.
        hold: makes of a model and a grammar (EBNF) the arguments of a call that hold its text to the grammar, none
            where the endpoint cannot. With it, messages keep to the grammars of the format, if it has any, and a last
            answer is one short line. Agents with tools write freely.
        count: counts tokens where the model does not report them.

    Raises:
        ConversationError: it cannot be held (see the error tree).
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        protocol: Protocol | None = None,
        *,
        format: str | Format = "plain",
        until: Until = UNTIL,
        guards: Until | None = GUARDS,
        speakers: Speakers | None = None,
        context: Context = (),
        reward: Reward | None = None,
        last_answer: int = 48,
        hold: Hold | None = None,
        count: Callable[[str], int] = estimate_tokens,
    ) -> None:
        check_names(agents)
        self.agents = tuple(agents)
        self.protocol = protocol or (InfoExchange() if len(agents) > 1 else Solo())
        self.names = tuple(agent.name for agent in agents)
        self.protocol.check(self.names)
        self.format = format_named(format) if isinstance(format, str) else format
        self.until = until
        if not until.bounded:
            raise EndlessConversation(str(until))
        self.guards = guards
        self.speakers = speakers or self.protocol.speakers()
        self.reward = reward
        reserve = until.reserve
        self.last_answer = last_answer if reserve is None else reserve
        self.hold = hold
        self.count = count
        self.view = View.of(self.agents, self.protocol, self.format, context)
        self.by_name = {agent.name: agent for agent in agents}

    async def run(
        self,
        question: str,
        *,
        model: BaseChatModel | None = None,
        reference: str | Sequence[str] | None = None,
        checkpoints: Checkpoints | None = None,
        key: str = "conversation",
        sampling: Mapping[str, Any] | None = None,
        start: Transcript | None = None,
    ) -> ConversationResult:
        """Holds the conversation.

        Args:
            question: what it is about.
            model: speaks for every agent that has no model of its own.
            reference: the right answer or answers, for the reward.
            checkpoints: keeps every turn; a run with the same `key` goes on where that one stopped.
            key: names the conversation in `checkpoints`.
            sampling: further arguments of every model call, such as a seed; an agent's own win.
            start: turns already spoken; the conversation goes on after them.

        Raises:
            AgentFailed: a model call failed. Its `transcript` has what was said; a checkpoint resumes there.
            ConversationError: see the error tree.
        """
        run = Run(self, question, model, checkpoints, key, sampling or {}, None)
        return await run.complete(reference, start)

    @asynccontextmanager
    async def stream(
        self,
        question: str,
        *,
        model: BaseChatModel | None = None,
        reference: str | Sequence[str] | None = None,
        checkpoints: Checkpoints | None = None,
        key: str = "conversation",
        sampling: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[MemoryObjectReceiveStream[ConversationEvent]]:
        """The conversation as a stream of events, the last of which is `Stopped`. Leaving the block cancels the rest.

            async with conversation.stream("…", model=model) as events:
                async for event in events: …

        Args and errors are those of `run`.
        """
        send, receive = anyio.create_memory_object_stream[ConversationEvent](0)
        run = Run(self, question, model, checkpoints, key, sampling or {}, send.send)
        broken: list[Exception] = []

        async def produce() -> None:
            async with send:
                try:
                    await run.complete(reference, None)
                except anyio.BrokenResourceError:
                    pass  # the reader has left
                except Exception as error:  # raised again below, outside the group that would wrap it
                    broken.append(error)

        async with anyio.create_task_group() as group, receive:
            group.start_soon(produce)
            yield receive
            group.cancel_scope.cancel()
        if broken:
            raise broken[0]
