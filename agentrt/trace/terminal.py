"""A question's way through the runtime, live in the terminal.

On a terminal the plan grows line by line with a spinner at each running task. Elsewhere (a pipe, a log) one
line is printed for each thing that happens, so that nothing is lost and nothing flickers. Of a plan that is
taller than the terminal the view shows what runs and what ended last.
"""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agentrt.answer import Answer
from agentrt.trace.timeline import Row, Timeline, call_text, one_line, printable
from executor import (
    ApprovalAsked,
    ApprovalGiven,
    TaskAdded,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
)
from planner import JoinStarted, PlanFinished, PlanRejected, PlanStarted, PlanText, PlanWarning, Replanned, TaskReused

_MARKS = {
    "waiting": ("·", "dim"),
    "finished": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "yellow"),
}


class TerminalView:
    """Shows events as they come. Use it as a context manager around `Runtime.stream`.

    Args:
        console: where to write; by default stderr, so that stdout stays free for results.
        status: what is said to go on until an event says more.
        live: whether a picture is drawn that changes; by default where the console is a terminal that can.
    """

    def __init__(
        self, console: Console | None = None, *, status: str = "thinking of a plan", live: bool | None = None
    ) -> None:
        self.console = console or Console(stderr=True, force_terminal=live or None)
        self._draws = (self.console.is_terminal and not self.console.is_dumb_terminal) if live is None else live
        self._timeline = Timeline()
        self._writing = ""
        self._status = status
        self._question: Text | None = None
        self._told = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._draws:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=10, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            waits = getattr(error, "run_status", "") == "parked"
            self._status = "" if kind is None else "waiting for a person" if waits else "stopped"
            self._writing = self._told = ""
            self._question = None
            self._live.stop()

    def show(self, event: object) -> None:
        """Takes one event of `Runtime.stream`."""
        self._timeline.apply(event)
        self._follow(event)
        if self._live is None and (line := self._line(event)):
            self.console.print(line, soft_wrap=True)

    @property
    def is_live(self) -> bool:
        """Whether a picture is drawn that changes, rather than one line for each thing that happens."""
        return self._live is not None and self._live.is_started

    def ask(self, question: Text | None) -> None:
        """Draws a question below the picture, what is typed included, until it is taken away (None)."""
        self._question = question
        if self._live is not None:
            self._live.refresh()

    def tell(self, text: str) -> None:
        """Shows a line below the picture for as long as the run goes on."""
        self._told = text
        if self._live is None:
            self.console.print(f"  {escape(text)}", soft_wrap=True)

    def _follow(self, event: object) -> None:
        match event:
            case PlanText(_, text):
                self._writing = (self._writing + printable(text)).rsplit("\n", 1)[-1][-200:]
            case PlanStarted(_, _, attempt):
                self._status, self._writing = ("correcting" if attempt else "writing") + " the plan", ""
            case PlanFinished():
                self._status, self._writing = "running", ""
            case JoinStarted():
                self._status = "reading the results"
            case Replanned(_, reason):
                self._status = f"replanning: {one_line(reason, 200)}"
            case TaskAdded():
                self._writing = ""
            case _:
                pass

    def _line(self, event: object) -> str:
        rows = self._timeline.rows
        match event:
            case TaskAdded(_, task):
                return f"  plan    {task.id}. {escape(call_text(task))}"
            case TaskStarted(_, name):
                return f"  start   {name}. {escape(rows[name].task.call)}"
            case TaskRetried(_, name):
                return f"  again   {name}. {escape(rows[name].note)}"
            case TaskFinished(now, name):
                return f"  done    {name}. in {rows[name].seconds(now):.2f} s: {escape(one_line(rows[name].note, 120))}"
            case TaskFailed(_, name) | TaskSkipped(_, name):
                return f"  {rows[name].stage:7} {name}. {escape(rows[name].note)}"
            case ApprovalAsked(_, name):
                return f"  asks    {name}. {escape(rows[name].note)}"
            case ApprovalGiven(_, name, said):
                return f"  {said:7} {name}."
            case PlanWarning(_, message):
                return f"  note    {escape(message)}"
            case PlanRejected(_, problems):
                return f"  wrong   {escape(problems[0])}"
            case TaskReused(_, name, earlier):
                return f"  reuse   {name}. has its result from task {earlier}"
            case Replanned(_, reason):
                return f"  replan  {escape(one_line(reason, 200))}"
            case _:
                return ""

    def _render(self) -> RenderableType:
        now = time.monotonic()
        # Expanded, or a long note would squeeze the call out of sight.
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(ratio=3, overflow="fold")
        table.add_column(justify="right", width=8, no_wrap=True)
        table.add_column(ratio=4, no_wrap=True, overflow="ellipsis")
        question = None if self._question is None else self._fitting(self._question)
        rows, left_out = self._visible(0 if question is None else len(question))
        if left_out:
            table.add_row("", Text(f"… {left_out}", style="dim"), "", "")
        for row in rows:
            table.add_row(_mark(row), f"{row.task.id}. {escape(call_text(row.task))}", _seconds(row, now), _note(row))
        parts: list[RenderableType] = [table]
        if self._writing:
            parts.append(Text(f"  {self._writing}▌", style="dim"))
        if self._status:
            parts.append(Spinner("dots", Text(self._status, style="dim")))
        if self._told:
            parts.append(Text(f"  {self._told}", style="dim"))
        if question is None:
            return Group(*parts)
        # Rows may take several lines in a narrow terminal; the question comes before them.
        return Group(_Top(Group(*parts), self.console.height - 1 - len(question)), *question)

    def _fitting(self, question: Text) -> list[Text]:
        """The lines of a question that there is room for; what is typed stays in sight."""
        lines = [*question.wrap(self.console, self.console.width)]
        most = max(2, self.console.height - 2)
        return lines if len(lines) <= most else [*lines[: most - 2], Text("  …", style="dim"), lines[-1]]

    def _visible(self, below: int) -> tuple[list[Row], str]:
        """The rows there is room for above so many lines, in plan order, and what the others are."""
        rows = list(self._timeline.rows.values())
        room = max(1 if below else 3, self.console.height - 6 - below)
        if len(rows) <= room:
            return rows, ""
        # What runs, then what ended last, then what comes next.
        worth = sorted(rows, key=lambda row: (row.stage != "running", -(row.ended or 0.0)))[:room]
        kept = {row.task.id for row in worth}
        stages = Counter(row.stage for row in rows if row.task.id not in kept)
        return [row for row in rows if row.task.id in kept], ", ".join(f"{n} {stage}" for stage, n in stages.items())


def show_answer(answer: Answer, console: Console) -> None:
    """Prints the answer, what it rests on, and one closing line of figures."""
    console.print()
    # Not wrapped here: a terminal wraps by itself, and what is copied from it then has no line breaks of ours.
    console.print(Text(printable(answer.text), style="bold"), soft_wrap=True)
    if answer.ending != "answered":
        console.print(Text(f"The search ended early ({answer.ending}): this is the best it could say.", style="yellow"))
    for item in answer.evidence:
        head = f"  [{item.task}] {item.title}" + (f" ({item.source})" if item.source else "")
        console.print(Text(printable(head), style="cyan"), soft_wrap=True)
        console.print(Text(f"      {one_line(item.text, 240)}", style="dim"), soft_wrap=True)
    console.print(Text(closing_line(answer), style="dim"), soft_wrap=True)


def closing_line(answer: Answer) -> str:
    """Tasks, model tokens, wall time and time saved, in one line."""
    usage, timings = answer.usage, answer.timings
    tokens = f"{usage.input_tokens} + {usage.output_tokens} model tokens"
    saved = f"{timings.saved:.1f} s saved against one by one ({timings.one_by_one:.1f} s)"
    rounds = f", {answer.replans} replan{'s' * (answer.replans != 1)}" if answer.replans else ""
    return f"{len(answer.plan)} tasks{rounds} · {tokens} · {timings.wall:.1f} s · {saved}"


class _Top:
    """The first lines of something, as many as there is room for."""

    def __init__(self, whole: RenderableType, lines: int) -> None:
        self._whole = whole
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self._whole, options, pad=False)[: max(0, self._lines)]:
            yield from line
            yield Segment.line()


def _mark(row: Row) -> RenderableType:
    if row.stage == "running":
        return Spinner("dots", style="cyan")
    mark, style = _MARKS[row.stage]
    return Text(mark, style=style)


def _seconds(row: Row, now: float) -> str:
    return f"{row.seconds(now):.2f} s" if row.started is not None else ""


def _note(row: Row) -> Text:
    return Text(row.note, style="red" if row.stage == "failed" else "dim")
