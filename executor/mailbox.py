"""Letters to one run, and the answers that were written down before: which call each of them is for."""

from __future__ import annotations

from typing import Any, cast

from executor.approval import Approval, Verdict
from executor.journal import Letter, RunLog, decode


class Mailbox:
    """What reaches a run from outside."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def cancelled(self) -> bool:
        """Whether the run is asked to stop; the letters are taken then."""
        letters = self._letters()
        if all(letter.task is not None for letter in letters):
            return False
        self._log.journal.take(letters)
        return True

    def recorded(self, task: str, digest: str) -> Verdict | None:
        """The answer for a task with these arguments that was written down before and not used up by a call."""
        said = self._log.past.answers.get(task)
        return Verdict.from_json(said) if said is not None and said.get("digest") == digest else None

    def asked_before(self, approval: Approval) -> bool:
        """Whether this very question was written down already."""
        said = self._log.past.asked.get(approval.task, {})
        return said.get("digest") == approval.digest and said.get("why") == approval.why

    def answer_for(self, approval: Approval) -> Verdict | None:
        """The latest answer among the letters that is for this call with these arguments."""
        found: Verdict | None = None
        for letter in self._letters():
            said = cast("dict[str, Any]", decode(letter.body))
            if letter.task == approval.task and said.get("digest") == approval.digest:
                found = Verdict.from_json(said)
        return found

    def take(self, task: str) -> None:
        """Removes the letters with answers for a task, once one of them has been written down."""
        if found := [letter for letter in self._letters() if letter.task == task]:
            self._log.journal.take(found)

    def _letters(self) -> list[Letter]:
        return self._log.journal.letters(self._log.id)
