"""What a long step tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Stage = Literal["pull", "convert", "start"]
Unit = Literal["bytes", "steps", "seconds"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a long step.

    Attributes:
        stage: Which step: fetching a file, writing a checkpoint, starting a server.
        text: What happens now, in a few words, for people.
        done: How much is done, in `unit`.
        total: How much there is, or None where nobody can know. `done` may overtake an estimate.
        unit: What `done` and `total` count.
    """

    stage: Stage
    text: str
    done: float
    total: float | None
    unit: Unit


ProgressSink: TypeAlias = Callable[[Progress], None]


def no_progress(_: Progress) -> None:
    """The sink for those who do not watch."""
