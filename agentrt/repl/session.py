"""What a REPL knows: model, tools, settings, the conversation, and the runs of this session."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio.abc import TaskGroup
from rich.console import Console
from rich.text import Text

from agentrt.approving import TerminalAsker
from agentrt.repl.conversation import Turn
from agentrt.repl.interrupts import Interrupts
from agentrt.repl.lines import LineSource
from agentrt.repl.open_model import OpenModel
from agentrt.repl.options import SETTINGS, ReplOptions
from agentrt.repl.screen import quiet_typing
from agentrt.trace.timeline import printable
from executor import Budget, Tool
from executor.journal import Journal, RunInfo

if TYPE_CHECKING:
    from agentrt.runtime import Runtime
    from agentrt.trace import Record, TerminalView


@dataclass(slots=True)
class SessionRun:
    """A run of this session: what it was about and its events so far, as JSON data.

    Attributes:
        number: from 1.
        run_id: its id in the journal; empty until it has begun.
        resumed: whether it began before; only the journal knows all of it then.
    """

    number: int
    title: str
    records: list[Record]
    run_id: str = ""
    resumed: bool = False


class Session:
    """The state that commands work on.

    Args:
        group: where the model is held.
        options: how the REPL was started.
        interrupts: stops what runs.
        console: for what commands print; what happens meanwhile is shown on stderr.
        journal: where runs are written down.

    Attributes:
        lines: set by the loop before the first command.
        budget: what each run may spend.
        asker: asked before calls that need a yes.
    """

    lines: LineSource

    def __init__(
        self, group: TaskGroup, options: ReplOptions, interrupts: Interrupts, console: Console, journal: Journal
    ) -> None:
        self.interrupts = interrupts
        self.console = console
        self.journal = journal
        self.model = OpenModel(group, options.model)
        self.tools = {tool.name: tool for tool in options.tools}
        self.settings = {name: setting.default for name, setting in SETTINGS.items()} | dict(options.settings)
        self.budget = Budget()
        self.asker = TerminalAsker(early=lambda typed: self.lines.keep(typed))
        self.turns: list[Turn] = []
        self.runs: list[SessionRun] = []
        self.leaving = False

    def say(self, text: str, style: str = "") -> None:
        """Prints a line as it is: no markup, no line breaks of ours, no control characters."""
        self.console.print(Text(printable(text), style=style), soft_wrap=True)

    def status(self) -> str:
        """One line for the bottom of the screen."""
        tools = f"{len(self.tools)} tool{'s' * (len(self.tools) != 1)}"
        return f" {self.model.name} · {tools} · {len(self.turns)} answered · /help "

    def add_tools(self, tools: Iterable[Tool]) -> list[Tool]:
        """Adds tools, taking the place of those with the same name."""
        added = list(tools)
        self.tools.update((tool.name, tool) for tool in added)
        return added

    def begin(self, title: str) -> SessionRun:
        """A new run of this session, or the next part of one."""
        first = {"event": "Run", "time": time.monotonic(), "at": time.time(), "question": title}
        run = SessionRun(len(self.runs) + 1, title, [first])
        self.runs.append(run)
        return run

    @asynccontextmanager
    async def runtime(self, run: SessionRun | None = None, *, asks: bool = True) -> AsyncGenerator[Runtime]:
        """A runtime with the present model, tools, settings and limits; a progress bar is shown while the model opens.

        Args:
            run: what is done with it: in the journal, and known by its id there.
            asks: whether a model is needed.
        """
        from agentrt.runtime import Runtime
        from agentrt.trace import ProgressBar
        from executor.approval import Approvals

        def begun(info: RunInfo) -> None:
            if run is not None:
                run.run_id = info.id

        with quiet_typing():
            if asks and not self.model.is_open:
                with ProgressBar() as bar:
                    await self.model.get(bar)
            model = await self.model.get() if asks else None
            limits: dict[str, Any] = {name: value for name, value in self.settings.items() if name != "context"}
            async with Runtime(
                model,
                self.tools.values(),
                journal=self.journal,
                budget=None if self.budget == Budget() else self.budget,
                approvals=Approvals(self.asker),
                begun=begun,
                **limits,
            ) as runtime:
                yield runtime

    @contextmanager
    def watching(self, run: SessionRun, view: TerminalView) -> Generator[Any]:
        """A function that shows and keeps the events of a run; calls are asked about below them."""
        from agentrt.trace import record

        def see(event: Any) -> None:
            run.records.append(record(event))
            view.show(event)

        with view:
            self.asker.view = view
            try:
                yield see
            finally:
                self.asker.view = None

    async def watch(self, run: SessionRun, events: AsyncGenerator[Any], view: TerminalView) -> Any:
        """Shows and keeps the events of a run; the last one."""
        last: Any = None
        with self.watching(run, view) as see:
            async with aclosing(events) as stream:
                async for event in stream:
                    last = event
                    see(event)
        return last
