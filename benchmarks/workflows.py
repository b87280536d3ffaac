"""How long it takes to read, check and lower workflows, and to refuse bad ones.

    python -m benchmarks.workflows --check

The good one has 1,000 steps: calls with typed references, conditions, `foreach`, retries, and questions with
schemas. The bad ones are `tests/workflows/bad`, bombs among them, each read as a file from disk.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from agentrt import Tool, tool
from agentrt.tools import Passage
from agentrt.workflows import InvalidWorkflow, Workflow
from benchmarks.report import Report, arguments

CORPUS = Path(__file__).parents[1] / "tests" / "workflows" / "bad"
_SIZES = (10, 100, 1_000)


@tool(effect="pure")
async def search(title: str) -> Passage:
    """Finds a page by its title."""
    return Passage(title=title, text="")


@tool(effect="pure")
async def titles(year: int = 1995) -> list[str]:
    """The titles of a year."""
    return [str(year)]


@tool(effect="pure")
async def count() -> int:
    """Counts."""
    return 3


@tool(effect="once")
async def send(text: str) -> str:
    """Sends a text."""
    return text


TOOLS: list[Tool] = [search, titles, count, send]
_GROUP = """\
  list{n}: {{call: titles, with: {{year: {n}}}}}
  pages{n}:
    call: search
    foreach: "${{list{n}}}"
    with: {{title: "${{item}}"}}
    retry: {{attempts: 3, wait: 0.1}}
  facts{n}:
    ask: "What do these pages say about ${{inputs.topic}}? ${{pages{n}[0].text}} ${{last{before}}}"
    schema: {{type: object, properties: {{sure: {{type: boolean}}, text: {{type: string}}}}}}
  more{n}:
    when: "${{facts{n}.sure}} == false and ${{pages{n}[0].title}} != 'x'"
    call: search
    with: {{title: "${{facts{n}.text}}"}}
    timeout: 30
  last{n}:
    call: search
    with: {{title: "${{facts{n}.text}} of page {n}"}}
    on_error: continue
"""


def workflow_of(steps: int) -> str:
    """The text of a workflow with so many steps (a multiple of 5)."""
    head = "agentrt: 1\nname: large\ninputs: {topic: string}\ntasks:\n"
    groups = [_GROUP.format(n=n, before=max(1, n - 1)) for n in range(1, steps // 5 + 1)]
    groups[0] = groups[0].replace("${last1}", "nothing yet")
    return head + "".join(groups)


def seconds(do: Callable[[], object], rounds: int) -> list[float]:
    """How long `do` takes, so many times; once more before that, untimed."""
    took: list[float] = []
    for _ in range(rounds + 1):
        gc.collect()
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return took[1:]


def refuse(file: Path) -> None:
    """Reads a workflow that must be refused."""
    try:
        Workflow.load(file, tools=TOOLS)
    except InvalidWorkflow:
        return
    raise AssertionError(f"{file.name} was not refused")


def main() -> int:
    """Measures and prints; the exit status says whether the targets hold, with `--check`."""
    options = arguments(__doc__)
    report = Report("workflows", packages=["PyYAML", "pydantic"], quick=options.quick)
    rounds = 5 if options.quick else 15
    rows: list[list[str | int | float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in _SIZES:
            file = Path(folder) / f"{size}.yaml"
            file.write_text(workflow_of(size), encoding="utf-8")
            workflow = Workflow.load(file, tools=TOOLS)
            assert len(workflow.steps) == size
            loading = median(seconds(lambda file=file: Workflow.load(file, tools=TOOLS), rounds)) * 1e3
            lowering = median(seconds(lambda one=workflow: one.plan({"topic": "x"}), rounds)) * 1e3
            rows.append([size, file.stat().st_size // 1024, loading, lowering])
            if size == _SIZES[-1]:
                report.add(f"load and check {size:,} steps", loading, unit="ms", target=300)
                report.add(f"lower {size:,} steps to a plan", lowering, unit="ms")
    report.table("median", ["steps", "KiB", "load and check ms", "lower ms"], rows)

    cases = [case["file"] for case in json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))]
    took = {name: median(seconds(lambda name=name: refuse(CORPUS / name), rounds)) * 1e3 for name in cases}
    slowest = sorted(took.items(), key=lambda item: -item[1])[:5]
    report.table("slowest to refuse", ["file", "ms"], [[name, ms] for name, ms in slowest])
    report.add(f"refuse a bad workflow, the slowest of {len(cases)}", slowest[0][1], unit="ms", target=50)
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.yaml"
        with large.open("wb") as file:
            file.truncate(50 * 1024 * 1024)
        report.add(
            "refuse a file of 50 MiB", median(seconds(lambda: refuse(large), rounds)) * 1e3, unit="ms", target=50
        )
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
