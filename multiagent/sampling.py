"""Many conversations at once: over questions, and over samples of one question (self-consistency)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from multiagent.checkpoints import Checkpoints
from multiagent.conversation import Conversation
from multiagent.errors import MultiagentError
from multiagent.events import ConversationResult
from multiagent.metrics import f1
from multiagent.transcript import Transcript

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Case:
    """One conversation to hold: the setup, the question, what is right where it is known, and turns already spoken."""

    conversation: Conversation
    question: str
    reference: str | Sequence[str] | None = None
    key: str | None = None
    seed: int | None = None
    start: Transcript | None = None


async def converse_all(
    cases: Sequence[Case],
    *,
    model: BaseChatModel | None = None,
    concurrency: int | anyio.CapacityLimiter = 8,
    checkpoints: Checkpoints | None = None,
) -> list[ConversationResult | MultiagentError]:
    """Holds independent conversations at the same time, so that a server can batch them.

    Args:
        cases: what to hold. With `checkpoints`, each needs a `key`.
        model: speaks for agents without a model of their own.
        concurrency: conversations at once; a limiter, to share the number with other calls.
        checkpoints: keeps their turns.

    Returns:
        Results in the order of `cases`. One that failed is its error; the others are not disturbed.

    Raises:
        ValueError: `checkpoints` is given and a case has no key of its own.
    """
    if checkpoints is not None and len({case.key for case in cases} - {None}) < len(cases):
        raise ValueError("conversations that are checkpointed together need a key each, all different")
    results: list[ConversationResult | MultiagentError | None] = [None] * len(cases)
    limiter = anyio.CapacityLimiter(concurrency) if isinstance(concurrency, int) else concurrency

    async def hold(at: int, case: Case) -> None:
        async with limiter:
            try:
                results[at] = await case.conversation.run(
                    case.question,
                    model=model,
                    reference=case.reference,
                    checkpoints=checkpoints,
                    key=case.key or "conversation",
                    sampling={} if case.seed is None else {"seed": case.seed},
                    start=case.start,
                )
            except MultiagentError as error:
                results[at] = error

    async with anyio.create_task_group() as group:
        for at, case in enumerate(cases):
            group.start_soon(hold, at, case)
    return [result for result in results if result is not None]


@dataclass(frozen=True)
class Consensus:
    """What several samples of one question came to.

    Attributes:
        answer: the first answer of the largest group; None where no sample has one.
        share: that group's share of all samples.
        groups: the answers, grouped, the largest group first.
        samples: the conversations, in order.
        failures: samples that raised.
    """

    answer: str | None
    share: float
    groups: tuple[tuple[str, ...], ...]
    samples: tuple[ConversationResult, ...]
    failures: tuple[MultiagentError, ...]

    @property
    def tokens(self) -> int:
        """Tokens written by all samples together."""
        return sum(sample.tokens for sample in self.samples)


async def self_consistency(
    conversation: Conversation,
    question: str,
    *,
    model: BaseChatModel | None = None,
    samples: int = 5,
    concurrency: int = 8,
    likeness: float = 0.9,
    seed: int | None = None,
) -> Consensus:
    """Samples a conversation several times and takes the answer most samples agree on (Wang et al. 2023).

    The samples differ by the model's temperature (see `Agent.sampling`) and, where `seed` is given,
    get the seeds `seed`, `seed + 1`, …. A vLLM 0.32 on a CPU that agentrt did not start can die of a
    request with a seed (decision 0074): give it none.

    Args:
        likeness: F1 from which two answers are one; a group is compared by its first answer.
    """
    cases = [Case(conversation, question, seed=None if seed is None else seed + at) for at in range(samples)]
    results = await converse_all(cases, model=model, concurrency=concurrency)
    held = tuple(result for result in results if isinstance(result, ConversationResult))
    groups = group_answers([result.answer for result in held if result.answer is not None], likeness)
    return Consensus(
        answer=groups[0][0] if groups else None,
        share=len(groups[0]) / samples if groups else 0.0,
        groups=groups,
        samples=held,
        failures=tuple(result for result in results if isinstance(result, MultiagentError)),
    )


def group_answers(answers: Sequence[str], likeness: float = 0.9) -> tuple[tuple[str, ...], ...]:
    """Groups answers that mean the same: F1 with a group's first answer of at least `likeness`. Largest group first."""
    groups: list[list[str]] = []
    for answer in answers:
        near = next((group for group in groups if f1(answer, group[0]) >= likeness), None)
        if near is None:
            groups.append([answer])
        else:
            near.append(answer)
    return tuple(tuple(group) for group in sorted(groups, key=len, reverse=True))
