"""`agentrt model tune`: every method beside `off`, alternating, on the requests that agents really make."""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

from agentrt.serving.catalogue import lookup
from agentrt.serving.chat_model import ChatVLLM
from agentrt.serving.defaults import serving_defaults
from agentrt.serving.local_model import open_model
from agentrt.serving.probe import default_device
from agentrt.serving.progress import ProgressSink, no_progress
from agentrt.serving.speculation import Off, Speculation, parse_speculation
from agentrt.serving.tuning.table import Table, Trial, machine
from agentrt.serving.tuning.timing import Measured, at_once, one_by_one
from agentrt.serving.tuning.workload import CHAT, JOIN, PLAN, Workload

STREAMS = 8


async def tune(
    name: str,
    methods: Sequence[str],
    *,
    rounds: int = 3,
    progress: ProgressSink = no_progress,
    tell: Callable[[Trial], None] = lambda _: None,
) -> Table:
    """Measure methods for a catalogue model.

    Args:
        name: Its name.
        methods: As people write them.
        rounds: Rounds of each kind; more make the figures steadier.
        progress: Told while servers start.
        tell: Told each result.

    Raises:
        SpeculationRefused: A method cannot work with this model here.
        ServingError: The model cannot be served.
    """
    ways = [(text, parse_speculation(text)) for text in methods]
    trials: list[Trial] = []
    for text, method in ways:
        # Both are new: a server that has seen the questions before has them in its prefix cache.
        async with served(name, Off(), progress) as off, served(name, method, progress) as drafted:
            for workload in (PLAN, JOIN, CHAT):
                trials.append(await compare(off, drafted, text, workload, rounds))
                tell(trials[-1])
    return Table(name, machine(), tuple(trials))


@asynccontextmanager
async def served(name: str, method: Speculation, progress: ProgressSink = no_progress) -> AsyncGenerator[ChatVLLM]:
    """A greedy catalogue model, served as it suits this machine but with a method of one's choice."""
    settings = replace(serving_defaults(lookup(name), default_device()).settings, speculation=method)
    async with open_model(name, settings=settings, progress=progress, temperature=0.0) as model:
        yield cast("ChatVLLM", model)


async def compare(off: ChatVLLM, drafted: ChatVLLM, text: str, workload: Workload, rounds: int) -> Trial:
    """One method beside `off` on one kind of request, alternating."""
    plain, with_drafts = await alone(off, drafted, workload, rounds)
    ratios = [b.seconds[0] / a.seconds[0] for a, b in await together(off, drafted, workload, max(1, rounds - 1))]
    return Trial(
        text,
        workload.name,
        with_drafts.rate / plain.rate,
        statistics.median(ratios),
        with_drafts.stats.acceptance,
        with_drafts.stats.tokens_per_call,
    )


async def alone(off: ChatVLLM, drafted: ChatVLLM, workload: Workload, rounds: int) -> tuple[Measured, Measured]:
    """One stream at a time: two requests here, the same two there, `rounds` times, with warm prefix caches."""
    for model in (off, drafted):
        await one_by_one(model, workload, range(1), Measured())
    plain, with_drafts = Measured(), Measured()
    for number in range(rounds):
        # Question 0 has been asked.
        numbers = range(2 * number + 1, 2 * number + 3)
        await one_by_one(off, workload, numbers, plain)
        await one_by_one(drafted, workload, numbers, with_drafts)
    return plain, with_drafts


async def together(
    off: ChatVLLM, drafted: ChatVLLM, workload: Workload, rounds: int
) -> list[tuple[Measured, Measured]]:
    """Eight streams at a time, sixteen requests a round, and each of the two goes first equally often.

    Whoever is second in a round is slower, by a tenth and more where the machine has other work too: two equal servers
    show it (decision 0150). So the number of rounds is made even, and their median is free of it.
    """
    pairs: list[tuple[Measured, Measured]] = []
    for number in range(rounds + rounds % 2):
        plain, with_drafts = Measured(), Measured()
        order = [(off, plain), (drafted, with_drafts)]
        numbers = range(2 * STREAMS * (number + 1), 2 * STREAMS * (number + 2))
        for model, into in order if number % 2 == 0 else reversed(order):
            # The first request after a rest is slow, whichever server it goes to.
            await one_by_one(model, workload, range(1), Measured())
            await at_once(model, workload, numbers, STREAMS, into)
        pairs.append((plain, with_drafts))
    return pairs
