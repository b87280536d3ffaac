"""A program that is killed: runs a random plan with a journal, and leaves a witness of every call it made.

Started once, it imports everything and then forks a child for each line of JSON it reads, so that hundreds of real
processes can be killed in seconds. A child dies by its own `SIGKILL` at a named point, or by one from outside.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from executor import Executor, Ref, Task, Tool, ToolContext
from executor.approval import Approval, Approvals, Verdict
from executor.journal import Record, RunLog, SqliteJournal, Status
from executor.outcomes import Finished

RUN = "victim"
EFFECTS = ("pure", "idempotent", "once")


def plan_of(seed: int, size: int = 14) -> list[Task]:
    """A random plan: each task calls a tool of a random effect with earlier results."""
    draw = random.Random(seed)
    tasks: list[Task] = []
    for number in range(size):
        needs = draw.sample(range(number), min(number, draw.randrange(3)))
        arguments: dict[str, object] = {"number": number, "inputs": [Ref(str(need)) for need in needs]}
        tasks.append(Task(str(number), draw.choice(EFFECTS), arguments))
    return tasks


def value_of(number: int, inputs: Sequence[object]) -> str:
    """What every tool returns: something that shows all of its history."""
    return f"{number}({','.join(map(str, inputs))})"[:300]


class Witness:
    """Lines on disk that no kill can take back."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())

    def ended(self) -> set[str]:
        """The tasks whose effect has happened."""
        lines = [line.split() for line in self._path.read_text().splitlines()]
        return {words[2] for words in lines if words[0] == "end"}


class KillingJournal(SqliteJournal):
    """Dies before or after its n-th group of records, durable ones counted by themselves."""

    def __init__(self, path: str, point: str, number: int) -> None:
        super().__init__(path)
        self.point = point
        self.left = number

    def append(
        self, run_id: str, records: Sequence[Record], *, status: Status | None = None, durable: bool = False
    ) -> None:
        name = "durable" if durable else "group"
        self.maybe_die(f"before {name}")
        super().append(run_id, records, status=status, durable=durable)
        self.maybe_die(f"after {name}")

    def maybe_die(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def run(order: dict[str, Any]) -> None:
    """Runs the plan, or goes on with it."""
    witness = Witness(order["witness"])
    journal = KillingJournal(order["journal"], order.get("point", ""), order.get("number", 0))
    draw = random.Random(order["seed"])

    def tool_of(effect: Any) -> Tool:
        async def function(number: int, inputs: list[object], context: ToolContext) -> str:
            journal.maybe_die("before call")
            witness.note("begin", effect, context.task, context.key)
            await anyio.sleep(draw.random() * order.get("longest", 0.004))
            witness.note("end", effect, context.task, context.key)
            journal.maybe_die("after call")
            return value_of(number, inputs)

        return Tool(name=effect, function=function, effect=effect, context="context", concurrency=5)

    async def ask(approval: Approval) -> Verdict:
        """A person who looks whether it happened."""
        witness.note("asked", approval.why, approval.task, approval.digest)
        if approval.task in witness.ended():
            return Verdict("value", value=json.loads(order["values"])[approval.task])
        witness.note("allowed", "once", approval.task, "-")
        return Verdict("yes")

    started = any(found.id == RUN for found in journal.runs())
    log = RunLog.resume(journal, RUN) if started else RunLog.start(journal, run_id=RUN)
    executor = Executor([tool_of(effect) for effect in EFFECTS], approvals=Approvals(ask))
    outcomes = await executor.run(plan_of(order["seed"]), log=log)
    log.end("finished")
    values = {name: end.value for name, end in outcomes.items() if isinstance(end, Finished)}
    journal.close()
    order["values"] = values


def main(work: Callable[[dict[str, Any]], Awaitable[None]] = run) -> None:
    """Forks a child for each order, which does `work`; says its process id when it begins and how it ended."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                anyio.run(work, order)
                Path(order["answer"]).write_text(json.dumps(order["values"], sort_keys=True))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
