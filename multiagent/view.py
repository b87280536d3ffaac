"""What one agent is shown: its prompt, made from the shared rules, what only it knows, and the turns it may see.

Layout, for the sake of a server's prefix cache: first what is the same in every prompt of every agent (rules, shared
context), then what is this agent's own, then how to write, then the question, then the turns. Each prompt of an agent
begins with its previous one, so the cache serves every further turn too; and talks in several formats differ only
behind the long part. Small models also keep to a format better that stands behind the texts than before them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, messages_from_dict

from multiagent.agent import Agent, Context, as_text
from multiagent.formats import Format
from multiagent.protocols.port import Protocol
from multiagent.transcript import Transcript, Turn

SILENT = "…"
"""Stands for an empty turn in prompts: many chat templates refuse an empty message."""

LAST_ANSWER = (
    "The conversation ends here. Write only the final answer to the question, as short as possible: "
    "no explanation, no sentence. If you are not sure, write your best guess."
)


@dataclass(frozen=True)
class View:
    """Builds the prompts of one conversation.

    Attributes:
        protocol: roles and visibility.
        form: how messages are written.
        names: the agents, in order.
        systems: each agent's system message, private context included.
    """

    protocol: Protocol
    form: Format
    names: tuple[str, ...]
    systems: Mapping[str, str]

    @classmethod
    def of(cls, agents: Sequence[Agent], protocol: Protocol, form: Format, shared: Context) -> View:
        """The view of a conversation: writes every agent's system message."""
        names = tuple(agent.name for agent in agents)
        head = protocol.rules(names)
        if common := as_text(shared):
            head += f"\n\nWhat all of you know:\n{common}"
        return cls(protocol, form, names, {agent.name: _system(head, agent, protocol, form, names) for agent in agents})

    def prompt(self, name: str, transcript: Transcript, *, last: bool = False) -> list[BaseMessage]:
        """What the model of agent `name` is given for its next turn: own turns as `assistant`, all else as `user`.

        With `last` it ends with the request for a last answer.
        """
        messages: list[BaseMessage] = [SystemMessage(self.systems[name])]
        heard = [f"Question: {transcript.question}"]
        before = replace(transcript, turns=())
        for wave in _waves(transcript):
            # An own turn comes first: it was spoken without those of its wave.
            for turn in sorted(wave, key=lambda turn: turn.speaker != name):
                if turn.speaker == name:
                    messages.append(_asked(heard, self.protocol.cue(name, before, self.names)))
                    messages += messages_from_dict(list(turn.steps))
                    messages.append(AIMessage(turn.text or SILENT))
                    heard = []
                elif self.protocol.sees(name, turn, self.names):
                    # With the name, also where there is one partner: small models else take the message for the task.
                    heard.append(f"{turn.speaker}: {turn.text or SILENT}")
            before = replace(before, turns=(*before.turns, *wave))
        cue = LAST_ANSWER if last else self.protocol.cue(name, transcript, self.names)
        return [*messages, _asked(heard, cue)]

    def fingerprint(self, question: str) -> str:
        """Tells conversations apart whose checkpoints must not be mixed."""
        told = json.dumps([question, self.protocol.name, self.form.name, dict(self.systems)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def prompt_size(messages: Sequence[BaseMessage], count: Callable[[str], int]) -> int:
    """Tokens of a prompt by `count`, with four a message for the template's own marks."""
    return sum(count(message.text) + 4 for message in messages)


def estimate_tokens(text: str) -> int:
    """Tokens of a text, roughly: four bytes each, as usual with English. Errs on the high side for other scripts."""
    return -(-len(text.encode()) // 4)


def _waves(transcript: Transcript) -> list[list[Turn]]:
    """The turns by waves. Nobody speaks twice in one."""
    waves: list[list[Turn]] = []
    for turn in transcript:
        newest = waves[-1] if waves else []
        if newest and newest[0].wave == turn.wave and all(turn.speaker != other.speaker for other in newest):
            newest.append(turn)
        else:
            waves.append([turn])
    return waves


def _asked(heard: Sequence[str], cue: str) -> HumanMessage:
    """What was heard since the last own turn, and what is wanted now. Never empty: templates that demand alternation
    also get it when somebody speaks twice in a row."""
    return HumanMessage("\n\n".join([*heard, *([cue] if cue else [])]) or "Go on.")


def _system(head: str, agent: Agent, protocol: Protocol, form: Format, names: tuple[str, ...]) -> str:
    parts = [head, f"You are {agent.name}. {protocol.brief(agent.name, names)}".strip()]
    if agent.role:
        parts.append(agent.role)
    if own := as_text(agent.context):
        parts.append(f"What only you know:\n{own}")
    return "\n\n".join([*parts, f"How to write a message:\n{form.instruction}"])
