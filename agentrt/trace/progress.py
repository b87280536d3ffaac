"""A bar for the steps that take long: fetching a model, converting it, starting its server."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from agentrt.serving import Progress as Step

_MIB = 1024 * 1024


class ProgressBar:
    """Draws what `agentrt.serving` reports. Use it as a context manager and pass it as `progress`.

    On a terminal it is a live bar that goes away; elsewhere one line is printed for each stage.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}", style="dim"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes the bar away; nothing else can be drawn live before that."""
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Takes one moment of a step."""
        bar = self._bars.get(step.stage)
        if bar is None:
            if not self.console.is_terminal:
                self.console.print(f"  {step.text}")
            bar = self._bars[step.stage] = self._progress.add_task(step.text, total=step.total, amount="")
        total = None if step.total is None else max(step.total, step.done)
        self._progress.update(bar, description=step.text, completed=step.done, total=total, amount=_amount(step))


def _amount(step: Step) -> str:
    if step.unit == "bytes":
        whole = f" / {step.total / _MIB:.0f}" if step.total else ""
        return f"{step.done / _MIB:.0f}{whole} MiB"
    return ""
