"""Asking one call after the other, below the picture of what runs meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import anyio
import anyio.lowlevel
from rich.console import Console
from rich.text import Text

from agentrt.approving.answers import Later, question_text, read_answer
from agentrt.approving.typed import TypedLine, typing
from agentrt.errors import UsageError
from executor.approval import Approval, Verdict

if TYPE_CHECKING:
    from agentrt.trace import TerminalView

Policy = Literal["ask", "yes", "wait"]
"""What happens to calls that need a yes: somebody is asked, they have it, or they wait."""

POLICIES: dict[str, str] = {
    "ask": "you are asked while the run goes on",
    "yes": "every call has your yes, but for those that may have happened already",
    "wait": "calls wait, and the run parks when nothing else is left to do",
}


class TerminalAsker:
    """Asks whoever sits at the terminal; give it to `executor.approval.Approvals`.

    Calls are asked about one after the other, in the order they came; everything else goes on meanwhile.

    Args:
        policy: what happens to calls that need a yes.
        descriptor: of the terminal that is typed on.
        nobody: what a call is told that is refused because nobody could be asked and nothing be waited in.
        early: told what had been typed before a question was shown: it is no answer.

    Attributes:
        policy: may be changed at any time.
        view: where questions are shown, while something is drawn.
    """

    def __init__(
        self,
        policy: Policy = "ask",
        *,
        descriptor: int | None = None,
        nobody: str = "nobody was there to be asked",
        early: Callable[[str], None] | None = None,
    ) -> None:
        self.policy: Policy = policy
        self.view: TerminalView | None = None
        self._descriptor = descriptor
        self._nobody = nobody
        self._early = early
        self._turn = anyio.Lock()

    async def __call__(self, approval: Approval) -> Verdict | None:
        """The answer; None where the call is to wait."""
        if self.policy == "yes" and approval.why != "unknown":
            return Verdict("yes", "all calls were allowed beforehand")
        if self.policy == "wait" or not can_ask():
            # Without a journal there is nothing to wait in.
            return None if approval.run else Verdict("no", self._nobody)
        async with self._turn:
            answer = await self._asked(approval)
        if isinstance(answer, Verdict):
            return answer
        if not approval.run:
            return Verdict("no", "it was not answered")
        if self.view is not None:
            # Inside a step of another run nothing parks: the process waits.
            how = f"agentrt runs approve {approval.run} {approval.task}"
            self.view.tell(f"left for later; `{how}` answers it from another terminal")
        return None

    async def _asked(self, approval: Approval) -> Verdict | Later:
        question = question_text(approval, may_wait=bool(approval.run))
        view = self.view
        if view is not None and view.is_live:
            try:
                return await self._below(view, question)
            finally:
                view.ask(None)
        return await self._in_line(view.console if view is not None else Console(stderr=True), question)

    async def _below(self, view: TerminalView, question: Text) -> Verdict | Later:
        """Asks below the picture, which draws what is typed."""
        line, problem = TypedLine(), ""
        with typing(self._terminal(), lines=False) as early:
            self._keep(early)
            while True:
                shown = question.copy().append(f"{line.text}▌", style="bold")
                view.ask(shown.append(f"\n  {problem}", style="red") if problem else shown)
                keys = await self._read()
                for entered in line.feed(keys):
                    try:
                        return read_answer(entered)
                    except UsageError as error:
                        problem = str(error)
                if line.ended or not keys:
                    return Later.LATER

    async def _in_line(self, console: Console, question: Text) -> Verdict | Later:
        """Asks on a terminal that can do nothing but print and take lines."""
        line = TypedLine()
        with typing(self._terminal(), lines=True) as early:
            self._keep(early)
            await anyio.lowlevel.checkpoint()  # what led to the question is printed first
            while True:
                console.print(question, end="", soft_wrap=True)
                console.file.flush()
                keys = await self._read()
                if not keys:
                    return Later.LATER
                for entered in line.feed(keys):
                    try:
                        return read_answer(entered)
                    except UsageError as error:
                        console.print(Text(f"  {error}", style="red"), soft_wrap=True)

    def _terminal(self) -> int:
        return sys.stdin.fileno() if self._descriptor is None else self._descriptor

    def _keep(self, early: bytes) -> None:
        if early and self._early is not None:
            self._early(early.decode("utf-8", "replace"))

    async def _read(self) -> bytes:
        await anyio.wait_readable(self._terminal())
        try:
            return os.read(self._terminal(), 1_024)
        except OSError:  # the terminal was closed
            return b""


def can_ask() -> bool:
    """Whether somebody sits at a terminal: questions are shown on stderr and answered on stdin."""
    return os.name == "posix" and sys.stdin.isatty() and sys.stderr.isatty()
