"""Everything `multiagent` raises.

    MultiagentError
    ├── ConversationError          a conversation that cannot be set up or carried on
    │   ├── DuplicateAgent         two agents with one name
    │   ├── UnknownAgent           a name that no agent bears
    │   ├── WrongAgents            the protocol needs other agents than it got
    │   ├── EndlessConversation    `until` has nothing that must come true
    │   ├── UnknownFormat          no message format of that name
    │   ├── NoModel                neither the agent nor the run names a model
    │   ├── ContextTooLarge        an agent's first prompt does not fit its window
    │   └── AgentFailed            a model or tool call failed; the model's exception is ``__cause__``
    ├── StoreError                 a file of checkpoints or trajectories
    │   ├── CheckpointMismatch     the checkpoint belongs to another conversation
    │   └── DiskFull               there is no room; everything stored before is kept
    ├── RewardError                a reward that cannot be computed
    │   └── RewardNotFinite        a part of it is NaN or infinite
    └── TrainingError              the loop of collect, rank, select and train
        ├── NothingSelected        no dialogue or pair passed the filters
        ├── RunMismatch            the run folder belongs to other settings
        ├── StepNotReady           no such step, or the one before it is not finished
        └── StepFailed             a step broke off; what it finished is kept, and the run resumes there

An agent that is silent, repeats itself, or never answers is no error: it is a `stop_reason`.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiagent.events import ConversationResult
    from multiagent.transcript import Transcript


class MultiagentError(Exception):
    """Root of everything raised by `multiagent`."""


class ConversationError(MultiagentError):
    """A conversation that cannot be set up or carried on."""


class DuplicateAgent(ConversationError):
    """Two agents of one conversation bear the same name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"two agents are called {name!r}; give each agent its own name")


class UnknownAgent(ConversationError):
    """Somebody named an agent that is not in the conversation."""

    def __init__(self, name: str, known: Sequence[str], *, where: str) -> None:
        self.name = name
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
        super().__init__(f"{where} named {name!r}, who is not in the conversation{hint}")


class WrongAgents(ConversationError):
    """The protocol cannot be played by these agents."""


class EndlessConversation(ConversationError):
    """Nothing in `until` must come true some day."""

    def __init__(self, until: str) -> None:
        super().__init__(f"until={until} may never come true; add a bound, as in `{until} | MaxTurns(10)`")


class UnknownFormat(ConversationError):
    """There is no message format of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no message format {name!r}; there are: {', '.join(known)}")


class NoModel(ConversationError):
    """Neither the agent nor the run names a model."""

    def __init__(self, agent: str) -> None:
        super().__init__(f"agent {agent} has no model; pass run(…, model=…) or Agent({agent!r}, model=…)")


class ContextTooLarge(ConversationError):
    """An agent's first prompt and its answer do not fit into its window. All sizes are tokens."""

    def __init__(self, agent: str, *, prompt: int, answer: int, window: int) -> None:
        self.agent = agent
        super().__init__(
            f"agent {agent}: the first prompt has about {prompt} tokens and an answer may take {answer}, "
            f"but its window is {window}; shorten its context or lower max_tokens"
        )


class AgentFailed(ConversationError):
    """A model or tool call failed. `transcript` holds every turn finished before; a checkpoint resumes there."""

    def __init__(self, agent: str, turn: int, cause: BaseException, transcript: Transcript) -> None:
        self.agent = agent
        self.transcript = transcript
        said = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
        super().__init__(f"agent {agent} failed at turn {turn + 1}: {said}")


class StoreError(MultiagentError):
    """A file of checkpoints or trajectories cannot be read or written."""


class CheckpointMismatch(StoreError):
    """The checkpoint belongs to another conversation."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"checkpoint {key!r} was written by a conversation with another question, other agents, contexts or "
            "another protocol; resume it with those, or choose another id"
        )


class DiskFull(StoreError):
    """The disk has no room for the next record; everything stored before is kept."""


class RewardError(MultiagentError):
    """A reward that cannot be computed. `result` is the conversation that was to be rated, where one was just held."""

    result: ConversationResult | None = None


class RewardNotFinite(RewardError):
    """A part of a reward is NaN or infinite."""

    def __init__(self, part: str, value: float) -> None:
        self.part = part
        super().__init__(f"the reward's {part} is {value}; check the metric and the readability model that gave it")


class TrainingError(MultiagentError):
    """The loop of collect, rank, select and train."""


class NothingSelected(TrainingError):
    """No dialogue or pair passed the filters of the recipe."""


class RunMismatch(TrainingError):
    """The run folder was begun with other settings."""


class StepNotReady(TrainingError):
    """There is no such step, or the step before it is not finished."""


class StepFailed(TrainingError):
    """A step of a training run broke off. What it finished is kept; running again goes on from there."""
