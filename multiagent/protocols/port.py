"""What makes a group of agents a conversation of some kind: their roles, who speaks, and what counts as an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from multiagent.errors import WrongAgents
from multiagent.formats import Duty, Format
from multiagent.speakers import RoundRobin, Speakers
from multiagent.transcript import Transcript, Turn


class Protocol(ABC):
    """A kind of conversation. Stateless: everything is a function of the transcript and the agents' names, in order.

    Attributes:
        name: for checkpoints and reports.
        least: fewest agents it can be played by.
        most: most agents; None for any number.
    """

    name: str
    least: int = 2
    most: int | None = None

    def check(self, names: Sequence[str]) -> None:
        """Refuses agents it cannot be played by.

        Raises:
            WrongAgents: there are too few or too many.
        """
        if len(names) < self.least or (self.most is not None and len(names) > self.most):
            wanted = str(self.least) if self.most == self.least else f"{self.least} to {self.most or 'any number of'}"
            raise WrongAgents(f"{self.name} takes {wanted} agents and got {len(names)}: {', '.join(names)}")

    @abstractmethod
    def rules(self, names: Sequence[str]) -> str:
        """What all agents are told, word for word the same, so that a server's prefix cache holds it once."""

    @abstractmethod
    def brief(self, name: str, names: Sequence[str]) -> str:
        """What one agent is told about its own part."""

    def speakers(self) -> Speakers:
        """Who speaks next, unless the conversation says otherwise."""
        return RoundRobin()

    def answer(self, text: str, speaker: str, transcript: Transcript, form: Format) -> str | None:
        """The answer that a message gives or endorses; `transcript` is what was said before it."""
        del speaker, transcript
        return form.answer(text)

    def duty(self, name: str, transcript: Transcript, names: Sequence[str]) -> Duty | None:
        """What the next turn of `name` is for, which chooses the grammar it is held to; None leaves it free."""
        del name, transcript, names
        return None

    def cue(self, name: str, transcript: Transcript, names: Sequence[str]) -> str:
        """What `name` is told right before its next turn, behind everything it heard; empty for nothing.

        It stays in the agent's later prompts, so it has to be the same whenever it is asked for.
        """
        del name, transcript, names
        return ""

    def ended(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        """Why the conversation is over by the protocol's own rules, or None."""
        del transcript, names
        return None

    def outcome(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        """The conversation's answer as it stands."""
        del names
        return transcript.answer

    def closer(self, transcript: Transcript, names: Sequence[str]) -> str | None:
        """Who is asked for a last answer when the conversation had to stop without one; None asks nobody."""
        return transcript[-1].speaker if transcript.turns else names[0]

    def sees(self, viewer: str, turn: Turn, names: Sequence[str]) -> bool:
        """Whether an agent is shown another agent's turn."""
        del viewer, turn, names
        return True

    def details(self, transcript: Transcript, names: Sequence[str]) -> Mapping[str, Any]:
        """What the protocol knows beside the answer, such as the votes of a jury."""
        del transcript, names
        return {}


def others(name: str, names: Sequence[str]) -> str:
    """The other agents as a phrase: `bob`, `bob and carol`, `bob, carol and dan`."""
    rest = [other for other in names if other != name]
    return rest[0] if len(rest) == 1 else f"{', '.join(rest[:-1])} and {rest[-1]}"
