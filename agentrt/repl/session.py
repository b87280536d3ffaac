"""What a REPL knows: model, tools, settings, the conversation, and the runs of this session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio.abc import TaskGroup
from rich.console import Console
from rich.text import Text

from agentrt.repl.conversation import Turn
from agentrt.repl.interrupts import Interrupts
from agentrt.repl.lines import LineSource
from agentrt.repl.open_model import OpenModel
from agentrt.repl.options import SETTINGS, ReplOptions
from agentrt.repl.screen import quiet_typing
from agentrt.trace.timeline import printable
from executor import Tool

if TYPE_CHECKING:
    from agentrt.runtime import Runtime
    from agentrt.trace import Record, TerminalView


@dataclass(slots=True)
class SessionRun:
    """A run of this session: what it was about and its events so far, as JSON data."""

    number: int
    title: str
    records: list[Record]
    ending: str = "running"
    run_id: str = ""

    @contextmanager
    def ended(self) -> Generator[None]:
        """Notes how the block that runs it ended."""
        try:
            yield
        except Exception:
            self.ending = "failed"
            raise
        except BaseException:
            self.ending = "stopped"
            raise
        self.ending = "finished"


class Session:
    """The state that commands work on.

    Args:
        group: where the model is held.
        options: how the REPL was started.
        interrupts: stops what runs.
        console: for what commands print; what happens meanwhile is shown on stderr.

    Attributes:
        lines: set by the loop before the first command.
    """

    lines: LineSource

    def __init__(self, group: TaskGroup, options: ReplOptions, interrupts: Interrupts, console: Console) -> None:
        self.interrupts = interrupts
        self.console = console
        self.model = OpenModel(group, options.model)
        self.tools = {tool.name: tool for tool in options.tools}
        self.settings = {name: setting.default for name, setting in SETTINGS.items()} | dict(options.settings)
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
        """A new run of this session."""
        run = SessionRun(len(self.runs) + 1, title, [])
        self.runs.append(run)
        return run

    @asynccontextmanager
    async def runtime(self) -> AsyncGenerator[Runtime]:
        """A runtime with the present model, tools and settings; a progress bar is shown while the model opens."""
        from agentrt.runtime import Runtime
        from agentrt.trace import ProgressBar

        with quiet_typing():
            if not self.model.is_open:
                with ProgressBar() as bar:
                    await self.model.get(bar)
            model = await self.model.get()
            limits: dict[str, Any] = {name: value for name, value in self.settings.items() if name != "context"}
            async with Runtime(model, self.tools.values(), **limits) as runtime:
                yield runtime

    async def watch(self, run: SessionRun, events: AsyncGenerator[Any], view: TerminalView) -> Any:
        """Shows and keeps the events of a run; the last one."""
        from agentrt.trace import record

        last: Any = None
        with run.ended():
            async with aclosing(events) as stream:
                async for event in stream:
                    last = event
                    run.records.append(record(event))
                    view.show(event)
        return last
