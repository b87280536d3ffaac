"""A person's yes before a call.

A call that needs one waits without holding anything. When nothing else is left to do, the run parks: it ends with
`Parked`, and goes on when it is resumed with the answer, in the same process or another one. An answer belongs to one
task with one set of arguments and reaches no other call.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

from executor.errors import ExecutorError
from executor.journal import Journal, JournalError, NotStorable, Status, decode, encode

Why = Literal["approve", "tainted", "unknown"]
"""Why a call waits: it needs a yes, it runs once and its arguments rest on untrusted results, or it began before a
crash and nobody knows whether it happened."""

_PREVIEW = 500


class Approval(NamedTuple):
    """A call that waits for an answer.

    Attributes:
        run: the run's id; empty without a journal.
        question: what the person is asked.
        arguments: the call's, as JSON text, at most 500 characters.
        origins: chains of task ids from untrusted results to this task, written `1 > 3`.
        digest: of the whole arguments; an answer counts for these only.
    """

    run: str
    task: str
    tool: str
    why: Why
    question: str
    arguments: str
    origins: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer.

    Attributes:
        answer: `yes` (make the call; of an unknown one: make it again), `no` (the task fails), or `value` (the call
            did happen, or need not: `value` is its result).
        note: a reason, for the record and the error.
        value: the result, with `value`.

    Raises:
        ValueError: another answer.
    """

    answer: Literal["yes", "no", "value"]
    note: str = ""
    value: object = None

    def __post_init__(self) -> None:
        if self.answer not in ("yes", "no", "value"):
            raise ValueError(f"an answer is yes, no or value, not {self.answer!r}")

    def to_json(self) -> dict[str, object]:
        """As JSON data that `from_json` reads."""
        data: dict[str, object] = {"answer": self.answer, "note": self.note}
        if self.answer == "value":
            data["value"] = self.value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        return cls(data["answer"], str(data.get("note", "")), data.get("value"))


Ask = Callable[[Approval], Awaitable[Verdict | None]]
"""Asks somebody at once; None when they do not know yet."""


class Parked(ExecutorError):
    """Nothing is left to do but what waits for a person. Resume the run when they have answered."""

    run_status: Status = "parked"

    def __init__(self, run: str, waiting: Sequence[Approval]) -> None:
        self.run = run
        self.waiting = tuple(waiting)
        calls = ", ".join(f"task {one.task} ({one.tool})" for one in self.waiting)
        how = f"answer with `agentrt runs approve {run} TASK`, then `agentrt runs resume {run}`"
        super().__init__(f"the run waits for a person's answer to {calls}{'; ' + how if run else ''}")


class RunCancelled(ExecutorError):
    """Somebody cancelled the run from outside."""

    run_status: Status = "cancelled"


class Approvals:
    """Where calls of this process wait for answers.

    Args:
        ask: asked first, if given, as one who sits at the terminal is.
        wait: whether runs stay and wait for answers when nothing else is left to do, instead of parking.
    """

    def __init__(self, ask: Ask | None = None, *, wait: bool = False) -> None:
        self.ask = ask
        self.wait = wait
        self._waiting: dict[tuple[str, str], tuple[Approval, asyncio.Future[Verdict]]] = {}

    @property
    def waiting(self) -> list[Approval]:
        """Calls that wait now, in the order they came."""
        return [approval for approval, _ in self._waiting.values()]

    def answer(self, task: str, verdict: Verdict, *, run: str = "") -> bool:
        """Answers a call that waits in this process; False if there is none."""
        found = self._waiting.get((run, task))
        if found is None or found[1].done():
            return False
        found[1].set_result(verdict)
        return True

    @contextmanager
    def expecting(self, approval: Approval) -> Generator[asyncio.Future[Verdict]]:
        """A future that `answer` resolves, for as long as the block lasts."""
        key = approval.run, approval.task
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting[key] = approval, future
        try:
            yield future
        finally:
            del self._waiting[key]


def answer(journal: Journal, run: str, task: str, verdict: Verdict) -> Approval:
    """Leaves an answer for a call that waits in `run`, whichever process works on it, or none.

    Returns:
        What was answered.

    Raises:
        UnknownRun: there is no such run.
        JournalError: nothing in it waits for an answer by that name, or it has one already.
    """
    waiting = pending(journal, run)
    found = next((one for one in waiting if one.task == task), None)
    if found is None:
        there = ", ".join(one.task for one in waiting) or "nothing"
        raise JournalError(f"task {task} of run {run} does not wait for an answer; what waits: {there}")
    journal.send(run, task, encode({**verdict.to_json(), "digest": found.digest}))
    return found


def cancel(journal: Journal, run: str) -> None:
    """Asks whoever works on `run` to stop; one that is not worked on is closed as cancelled when it is resumed."""
    journal.send(run, None, encode({"cancel": True}))


def pending(journal: Journal, run: str) -> list[Approval]:
    """Calls of `run` that wait for an answer and have none yet, in the order they asked. Raises UnknownRun."""
    asked: dict[str, Approval] = {}
    for record in journal.read(run, kinds=("ApprovalAsked", "ApprovalGiven", "Ended")):
        if record.task is None:
            said = json.loads(record.data or "{}")
            if said.get("status") != "parked":
                asked.clear()
        elif record.kind == "ApprovalGiven":
            asked.pop(record.task, None)
        else:
            asked[record.task] = approval_of(run, record.task, record.data)
    for letter in journal.letters(run):
        if letter.task is not None:
            asked.pop(letter.task, None)
    return list(asked.values())


def approval_of(run: str, task: str, data: str | None) -> Approval:
    """The approval in an `ApprovalAsked` record."""
    said = cast("dict[str, Any]", decode(data or "{}"))
    why = said["why"] if said.get("why") in get_args(Why) else "approve"
    origins = tuple(str(chain) for chain in said.get("origins", ()))
    texts = [str(said.get(name, "")) for name in ("question", "arguments", "tool", "digest")]
    return Approval(run, task, texts[2], why, texts[0], texts[1], origins, texts[3])


def described(tool: str, arguments: Mapping[str, object]) -> tuple[str, str]:
    """The arguments of a call as text for people, and their digest."""
    try:
        text = encode(dict(sorted(arguments.items())))
    except NotStorable:
        text = repr(sorted(arguments.items()))
    shown = text if len(text) <= _PREVIEW else text[: _PREVIEW - 1] + "…"
    return shown, hashlib.sha256(f"{tool}{text}".encode(errors="surrogatepass")).hexdigest()[:32]
