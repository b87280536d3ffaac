"""What a replay can find."""

from __future__ import annotations

from agentrt.errors import AgentrtError


class Diverged(AgentrtError):
    """The program does something else now than what the journal says it did.

    Attributes:
        at: how many events were the same.
        recorded: what the journal has there.
        now: what the program does instead.
    """

    def __init__(self, run: str, at: int, recorded: str, now: str) -> None:
        self.at = at
        self.recorded = recorded
        self.now = now
        super().__init__(f"run {run} goes another way now, after {at} equal events: recorded was {recorded}; now {now}")
