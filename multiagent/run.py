"""The runtime: lets agents speak in turn until the conversation is over, and says why it is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from multiagent.agent import Agent
from multiagent.checkpoints import Checkpoints
from multiagent.errors import (
    AgentFailed,
    CheckpointMismatch,
    ContextTooLarge,
    ConversationError,
    NoModel,
    RewardError,
    UnknownAgent,
)
from multiagent.events import ConversationEvent, ConversationResult, Piece, Stopped, TurnFinished, TurnStarted
from multiagent.formats import ONE_LINE
from multiagent.side_by_side import together
from multiagent.speakers import Floor
from multiagent.speaking import Utterance, speak
from multiagent.transcript import Transcript, Turn, Usage
from multiagent.view import prompt_size

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from multiagent.conversation import Conversation

Observe = Callable[[ConversationEvent], Awaitable[None]]


class Run:
    """One conversation being held."""

    def __init__(
        self,
        setup: Conversation,
        question: str,
        model: BaseChatModel | None,
        checkpoints: Checkpoints | None,
        key: str,
        sampling: Mapping[str, Any],
        observe: Observe | None,
    ) -> None:
        self.setup = setup
        self.model = model
        self.checkpoints = checkpoints
        self.key = key
        self.sampling = sampling
        self.observe = observe
        self.transcript = Transcript(question)
        self.fingerprint = setup.view.fingerprint(question)
        self.selector = dict[str, Usage]()

    async def complete(self, reference: str | Sequence[str] | None, start: Transcript | None) -> ConversationResult:
        began = time.monotonic()
        if start is not None:
            self.transcript = start
        stop = await self._resume()
        self._check_windows()
        while stop is None:
            stop = self._stop_reason() or await self._next_wave()
        if self._outcome() is None and stop != "context_window":
            await self._ask_for_answer()
        if self.checkpoints is not None:
            await self.checkpoints.finish(self.key, self.fingerprint, stop)
        result = await self._rate(self._result(stop, time.monotonic() - began), reference)
        if self.observe is not None:
            await self.observe(Stopped(result))
        return result

    async def _resume(self) -> str | None:
        saved = await self.checkpoints.load(self.key) if self.checkpoints is not None else None
        if saved is None:
            return None
        if saved.fingerprint != self.fingerprint:
            raise CheckpointMismatch(self.key)
        self.transcript = replace(self.transcript, turns=saved.turns)
        # Killed between its last answer and its end: what made it stop is true of the turns before that answer.
        if saved.stop_reason is None and saved.turns and saved.turns[-1].kind == "last":
            return self._stop_reason(replace(self.transcript, turns=saved.turns[:-1])) or "last_answer"
        return saved.stop_reason

    def _stop_reason(self, transcript: Transcript | None = None) -> str | None:
        setup, said = self.setup, transcript or self.transcript
        return (
            setup.protocol.ended(said, setup.names)
            or setup.until.reason(said)
            or (setup.guards.reason(said) if setup.guards is not None else None)
        )

    async def _next_wave(self) -> str | None:
        """Lets the next speakers speak; a stop reason only where none of them can."""
        floor = Floor(self.transcript, self.setup.names, self.model, self._spend)
        names = await self.setup.speakers.next(floor)
        if not names:
            return "nobody_speaks"
        if any(not self._fits(name) for name in names):
            return "context_window"
        left = self.setup.until.allowance(self.transcript)
        share = None if left is None else max(1, left // len(names))
        spoken: dict[str, Turn] = {}
        wave = self.transcript[-1].wave + 1 if self.transcript.turns else 0

        async def one(name: str) -> None:
            agent = self.setup.by_name[name]
            limit = agent.max_tokens if share is None else min(agent.max_tokens, share)
            spoken[name] = await self._turn(agent, limit, wave)

        if len(names) == 1:
            await one(names[0])
        else:
            await together([lambda name=name: one(name) for name in names])
        for name in names:
            await self._add(spoken[name])
        return None

    async def _turn(self, agent: Agent, limit: int, wave: int) -> Turn:
        messages = self.setup.view.prompt(agent.name, self.transcript)
        duty = self.setup.protocol.duty(agent.name, self.transcript, self.setup.names)
        grammar = self.setup.format.grammars.get(duty) if duty is not None else None
        said = await self._speak(agent, messages, limit, grammar)
        if duty is not None and self.setup.hold is not None and duty in self.setup.format.trims:
            said = replace(said, text=self.setup.format.trims[duty](said.text))
        answer = self.setup.protocol.answer(said.text, agent.name, self.transcript, self.setup.format)
        return _as_turn(agent.name, said, answer, wave)

    async def _ask_for_answer(self) -> None:
        """Spends the reserve: somebody is asked for the answer, without tools, and whatever it says is one."""
        if any(turn.kind == "last" for turn in self.transcript) or self.setup.last_answer < 1:
            return
        name = self.setup.protocol.closer(self.transcript, self.setup.names)
        if name is None:
            return
        agent = replace(self.setup.by_name[name], tools=())
        messages = self.setup.view.prompt(name, self.transcript, last=True)
        said = await self._speak(agent, messages, self.setup.last_answer, ONE_LINE)
        lines = [line.strip() for line in said.text.splitlines() if line.strip()]
        answer = self.setup.format.answer(said.text) or (lines[0] if lines else None)
        wave = self.transcript[-1].wave + 1 if self.transcript.turns else 0
        await self._add(replace(_as_turn(name, said, answer, wave), kind="last"))

    async def _speak(self, agent: Agent, messages: list[Any], limit: int, grammar: str | None) -> Utterance:
        model = agent.model or self.model
        if model is None:
            raise NoModel(agent.name)
        observe = self.observe
        if observe is not None:
            await observe(TurnStarted(agent.name))

        async def said(text: str) -> None:
            if observe is not None:
                await observe(Piece(agent.name, text))

        others = [name for name in self.setup.names if name != agent.name]
        try:
            held: Mapping[str, Any] = {}
            if grammar is not None and self.setup.hold is not None and not agent.tools:
                held = await self.setup.hold(model, grammar)
            settled = replace(agent, sampling={**held, **self.sampling, **agent.sampling})
            return await speak(
                settled,
                model,
                messages,
                others=others,
                limit=limit,
                count=self.setup.count,
                said=said if observe is not None else None,
            )
        except (ConversationError, anyio.BrokenResourceError):
            raise
        except Exception as error:
            raise AgentFailed(agent.name, len(self.transcript), error, self.transcript) from error

    async def _add(self, turn: Turn) -> None:
        index = len(self.transcript)
        self.transcript = self.transcript.add(turn)
        if self.checkpoints is not None:
            # A turn that was paid for is kept, also when the caller gives up at this very moment.
            with anyio.CancelScope(shield=True):
                await self.checkpoints.append(self.key, self.fingerprint, index, turn)
        if self.observe is not None:
            await self.observe(TurnFinished(turn))

    def _check_windows(self) -> None:
        for agent in self.setup.agents:
            if agent.model is None and self.model is None:
                raise NoModel(agent.name)
            if not self.transcript.turns and not self._fits(agent.name):
                size = prompt_size(self.setup.view.prompt(agent.name, self.transcript), self.setup.count)
                raise ContextTooLarge(agent.name, prompt=size, answer=agent.max_tokens, window=agent.window or 0)

    def _fits(self, name: str) -> bool:
        if name not in self.setup.by_name:
            raise UnknownAgent(name, self.setup.names, where="the speaker selection")
        agent = self.setup.by_name[name]
        if agent.window is None:
            return True
        size = prompt_size(self.setup.view.prompt(name, self.transcript), self.setup.count)
        return size + agent.max_tokens <= agent.window

    def _spend(self, name: str, usage: Usage) -> None:
        self.selector[name] = self.selector.get(name, Usage()) + usage

    def _outcome(self) -> str | None:
        last = next((turn.answer for turn in self.transcript if turn.kind == "last"), None)
        return last or self.setup.protocol.outcome(self.transcript, self.setup.names)

    def _result(self, stop: str, seconds: float) -> ConversationResult:
        return ConversationResult(
            answer=self._outcome(),
            stop_reason=stop,
            transcript=self.transcript,
            usage_by_agent={**self.transcript.usage_by_agent, **self.selector},
            seconds=seconds,
            systems=self.setup.view.systems,
            details=self.setup.protocol.details(self.transcript, self.setup.names),
        )

    async def _rate(self, result: ConversationResult, reference: str | Sequence[str] | None) -> ConversationResult:
        if self.setup.reward is None or reference is None:
            return result
        try:
            parts = await self.setup.reward.rate([(result.answer, result.transcript)], reference)
        except RewardError as error:
            error.result = result  # it was paid for
            raise
        return replace(result, reward=parts[0])


def _as_turn(name: str, said: Utterance, answer: str | None, wave: int) -> Turn:
    return Turn(
        speaker=name,
        text=said.text,
        answer=answer,
        usage=said.usage,
        wave=wave,
        flags=said.flags,
        seconds=said.seconds,
        logprobs=said.logprobs,
        steps=said.steps,
    )
