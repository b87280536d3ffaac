"""Information exchange: the facts are split between the agents, who have to tell each other what is needed."""

from __future__ import annotations

from collections.abc import Sequence

from multiagent.protocols.port import Protocol, others


class InfoExchange(Protocol):
    """Optima's first setting, for two agents or more: each knows a part, none can answer alone."""

    name = "exchange"

    def rules(self, names: Sequence[str]) -> str:
        return (
            f"{', '.join(names)} answer a question together. Each knows facts that the others cannot see. "
            "In a message, tell only what the others need to answer the question, ask for what you lack, "
            "and give the answer as soon as you know it. If you agree with an answer, give the same answer."
        )

    def brief(self, name: str, names: Sequence[str]) -> str:
        return f"You talk to {others(name, names)}. Speak only for yourself."


class Solo(Protocol):
    """One agent alone: the baseline. It ends with its first turn that has an answer."""

    name = "solo"
    most = 1
    least = 1

    def rules(self, names: Sequence[str]) -> str:
        return "You answer a question."

    def brief(self, name: str, names: Sequence[str]) -> str:
        return ""
