"""A run as commands show it: drawn live, asked about in line, and with the line that goes on with it."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO

    from agentrt.runtime import Event
    from executor.journal import RunInfo

PARKED = 3
"""Exit code of a run that waits for a person."""
INTERRUPTED = 130
"""Exit code of a run that Ctrl-C stopped."""

Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Say yes beforehand to every call that needs one, but for those that may have happened already.",
    ),
]
Watch = Annotated[
    bool | None,
    typer.Option(
        "--watch/--no-watch",
        help="Draw the tasks side by side while they run, or print a line for each thing that happens.",
        show_default="drawn on a terminal",
    ),
]
_NOBODY = "nobody was there to be asked; run it at a terminal, with --yes, or with --journal FILE to answer later"


class Watched:
    """Shows one run and asks about its calls.

    Args:
        title: what it is about.
        again: the command that goes on with such a run.
        journal: where it is written down; None for nowhere.
        options: further options of that command, as they were given.
        status: what is said to go on at first.
        yes: whether calls have a yes beforehand.
        watch: whether tasks are drawn live; None where that suits the terminal.
        written: a file for the events.

    Attributes:
        approvals: for the runtime.
        run: the run's id, once it is in the journal.
    """

    def __init__(
        self,
        title: str,
        *,
        again: str = "run --resume",
        journal: Path | None = None,
        options: Iterable[str] = (),
        status: str = "running",
        yes: bool = False,
        watch: bool | None = None,
        written: Path | None = None,
    ) -> None:
        from agentrt.approving import TerminalAsker
        from executor.approval import Approvals

        self.run = ""
        self._asker = TerminalAsker("yes" if yes else "ask", nobody=_NOBODY)
        self.approvals = Approvals(self._asker)
        self._title = title
        self._again = again
        self._journal = [] if journal is None else ["--journal", str(journal)]
        self._options = [*options]
        self._status = status
        self._watch = watch
        self._written = written

    def begun(self, info: RunInfo) -> None:
        """Told by the runtime which run it is."""
        self.run = info.id

    @contextmanager
    def shown(self) -> Generator[Callable[[Any], None]]:
        """A function that shows an event, and writes it down where that is wanted; calls are asked about below them."""
        from agentrt.trace import EventWriter, TerminalView

        with ExitStack() as files:
            writer = None
            if self._written is not None:
                writer = EventWriter(files.enter_context(_opened(self._written)), question=self._title)
            self._asker.view = view = files.enter_context(TerminalView(status=self._status, live=self._watch))

            def see(event: Any) -> None:
                if writer is not None:
                    writer.write(event)
                view.show(event)

            yield see

    async def last(self, stream: AsyncGenerator[Event]) -> Event:
        """Shows a run's events; the last one says what it came to."""
        last: Event | None = None
        with self.shown() as see:
            async with aclosing(stream) as events:
                async for last in events:
                    see(last)
        assert last is not None, "a stream ends with what it came to, or raises"
        return last

    @contextmanager
    def stopping(self) -> Generator[None]:
        """Says how to go on where the run waits for a person or Ctrl-C stops it, and leaves with its exit code."""
        from agentrt.cli.failures import innermost
        from executor.approval import Parked

        try:
            yield
        except KeyboardInterrupt:
            how = f"; go on with `{self._line(*self._again.split(), self.run, *self._options)}`" if self.run else ""
            typer.echo(f"stopped{how}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if not isinstance(parked := innermost(error), Parked):
                raise
            for one in parked.waiting:
                typer.echo(f"task {one.task} waits: {one.question} {one.tool} {one.arguments}", err=True)
                typer.echo(f"  `{self._line('runs', 'approve', one.run, one.task)}`, or with --no", err=True)
            go_on = self._line(*self._again.split(), parked.run, *self._options)
            typer.echo(f"then go on with `{go_on}`", err=True)
            raise typer.Exit(PARKED) from None

    def _line(self, *words: str) -> str:
        return shlex.join(["agentrt", *words, *self._journal])


def options_given(**given: str | Iterable[str] | None) -> list[str]:
    """Options as one types them: `tools=["a.py"]` is `--tools a.py`."""
    found: list[str] = []
    for name, value in given.items():
        for one in [value] if isinstance(value, str) else value or ():
            found += [f"--{name}", one]
    return found


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
