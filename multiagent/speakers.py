"""Who speaks next. A choice is a wave: the names of those who speak now, at the same time if there are several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage, SystemMessage

from multiagent.errors import UnknownAgent
from multiagent.transcript import Transcript, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Floor:
    """What a selection may look at.

    Attributes:
        transcript: what was said.
        names: the agents, in the order they were given.
        model: the run's model, if it has one.
        spend: books tokens that the choice itself cost, under a name of their own.
    """

    transcript: Transcript
    names: tuple[str, ...]
    model: BaseChatModel | None
    spend: Callable[[str, Usage], None]


class Speakers(ABC):
    """Chooses who speaks next."""

    @abstractmethod
    async def next(self, floor: Floor) -> tuple[str, ...]:
        """The names of the next wave.

        Raises:
            UnknownAgent: a name that is not in the conversation was chosen.
        """


class RoundRobin(Speakers):
    """One after the other, in the order the agents were given."""

    async def next(self, floor: Floor) -> tuple[str, ...]:
        turns = floor.transcript.regular
        if not turns:
            return floor.names[:1]
        at = floor.names.index(turns[-1].speaker)
        return (floor.names[(at + 1) % len(floor.names)],)


class ChosenBy(Speakers):
    """A function of yours chooses: it gets the transcript, and returns a name or several."""

    def __init__(self, choose: Callable[[Transcript], str | Sequence[str] | Awaitable[str | Sequence[str]]]) -> None:
        self._choose = choose

    async def next(self, floor: Floor) -> tuple[str, ...]:
        chosen = self._choose(floor.transcript)
        if isinstance(chosen, Awaitable):
            chosen = await chosen
        names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
        for name in names:
            if name not in floor.names:
                raise UnknownAgent(name, floor.names, where="the speaker selection")
        return names


def structured_choice(names: Sequence[str]) -> Mapping[str, Any]:
    """Keyword arguments that make a vLLM endpoint write one of `names` and nothing else."""
    return {"extra_body": {"structured_outputs": {"choice": list(names)}}}


class ChosenByModel(Speakers):
    """A model chooses, held to the names; where it names nobody all the same, `fallback` decides.

    Args:
        model: the one that chooses; None takes the run's.
        fallback: decides where the model named nobody or several.
        constrain: makes the model calls' arguments that hold the model to the names.
        twice: whether somebody may speak twice in a row.
    """

    def __init__(
        self,
        model: BaseChatModel | None = None,
        *,
        fallback: Speakers | None = None,
        constrain: Callable[[Sequence[str]], Mapping[str, Any]] = structured_choice,
        twice: bool = False,
    ) -> None:
        self._model = model
        self._fallback = fallback or RoundRobin()
        self._constrain = constrain
        self._twice = twice

    async def next(self, floor: Floor) -> tuple[str, ...]:
        model = self._model or floor.model
        turns = floor.transcript.regular
        last = turns[-1].speaker if turns else None
        names = [name for name in floor.names if self._twice or name != last or len(floor.names) == 1]
        if model is None or len(names) == 1:
            return await self._fallback.next(floor) if model is None else (names[0],)
        asked = [
            SystemMessage(f"You lead a conversation between {', '.join(floor.names)}. Say only who speaks next."),
            HumanMessage(
                f"Question: {floor.transcript.question}\n{floor.transcript.render()}\n\n"
                f"Who speaks next? One name of: {', '.join(names)}"
            ),
        ]
        reply = await model.ainvoke(asked, max_tokens=16, **self._constrain(names))
        usage = reply.usage_metadata
        if usage is not None:
            floor.spend("(selector)", Usage(usage["input_tokens"], usage["output_tokens"], 1))
        words = {word.strip(".,:;!?*`\"'()").lower() for word in reply.text.split()}
        named = [name for name in names if name.lower() in words]
        return (named[0],) if len(named) == 1 else await self._fallback.next(floor)
