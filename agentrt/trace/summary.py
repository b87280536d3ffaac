"""A run in the terminal: one line a step with a bar for when it ran, then the figures."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentrt.trace.critical import critical_path
from agentrt.trace.details import acceptance, arguments_line, seconds, tokens
from agentrt.trace.recorded import Phase, RunTrace, TaskTrace
from agentrt.trace.secrets import hide_in_text
from agentrt.trace.timeline import one_line, printable

_MARKS = {"waiting": "·", "running": "…", "finished": "✓", "failed": "✗", "skipped": "–"}
_STYLES = {"finished": "green", "failed": "red", "skipped": "yellow", "running": "blue"}
_MOST_ROWS = 200


def show_run(trace: RunTrace, console: Console) -> None:
    """Prints a run. Of more than 200 steps those on the critical path and those that failed go first."""
    path = critical_path(trace)
    critical = {step.key for step in path}
    if trace.question:
        console.print(Text(printable(hide_in_text(trace.question)), style="bold"), soft_wrap=True)
    steps: list[TaskTrace | Phase] = [*trace.tasks.values(), *trace.phases]
    if left_out := len(steps) - _MOST_ROWS:
        worth = sorted(steps, key=lambda one: not (_key(one) in critical or _state(one) == "failed"))
        steps = worth[:_MOST_ROWS]
    width = max(10, min(40, console.width - 56))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=2, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(width=width, no_wrap=True)
    table.add_column(width=10, justify="right", no_wrap=True)
    for step in sorted(steps, key=_began):
        table.add_row(*_row(step, trace.wall, width, on_path=_key(step) in critical))
    console.print(table)
    if left_out > 0:
        console.print(Text(f"… and {left_out:,} more steps; --html shows all of them", style="dim"))
    if trace.answer is not None:
        console.print(Text(printable(hide_in_text(str(trace.answer.get("answer", "")))), style="bold"), soft_wrap=True)
    console.print(Text(_figures(trace, len(path), sum(step.seconds for step in path)), style="dim"), soft_wrap=True)


def _figures(trace: RunTrace, steps: int, critical: float) -> str:
    parts = [f"{len(trace.tasks):,} tasks"]
    if trace.replans:
        parts.append(f"{trace.replans} replan{'s' * (trace.replans != 1)}")
    if retries := sum(len(task.retries) for task in trace.tasks.values()):
        parts.append(f"{retries} retr{'y' if retries == 1 else 'ies'}")
    if said := tokens(trace.usage):
        parts.append(f"{said} tokens")
    if said := acceptance(trace.usage):
        parts.append(said)
    parts.append(f"{seconds(trace.wall)} ({seconds(trace.one_by_one)} one by one)")
    parts.append(f"critical path ▶ {steps} steps, {seconds(critical)}")
    return " · ".join(parts)


def _row(step: TaskTrace | Phase, wall: float, width: int, *, on_path: bool) -> tuple[Text, Text, Text, Text]:
    state = _state(step)
    style = _STYLES.get(state, "dim")
    if isinstance(step, Phase):
        name = "the model writes plan" if step.kind == "plan" else "the model reads the results of plan"
        mark, said = Text("✎", style="magenta"), Text(f"{name} {step.round + 1}", style="magenta")
    else:
        again = "↻" if step.retries else ""
        mark = Text(_MARKS[state] + again, style=style)
        said = Text(printable(f"{step.task.id}. {step.task.call}({arguments_line(step, 120)})"))
        if step.note:
            said.append(printable(f"  {one_line(hide_in_text(step.note), 160)}"), style=style)
    took = seconds(step.seconds) if step.ended is not None and step.started is not None else ""
    return (
        mark,
        said,
        Text(_bar(step, wall, width), style="magenta" if on_path else style),
        Text(("▶ " if on_path else "") + took),
    )


def _bar(step: TaskTrace | Phase, wall: float, width: int) -> str:
    if step.started is None or wall <= 0:
        return " " * width
    scale = width / wall
    start = min(width - 1, int(step.started * scale))
    end = wall if step.ended is None else step.ended
    length = max(1, min(width - start, round((end - step.started) * scale)))
    wait = min(start, int(step.added * scale)) if isinstance(step, TaskTrace) else start
    return " " * wait + "·" * (start - wait) + "█" * length + " " * (width - start - length)


def _began(step: TaskTrace | Phase) -> float:
    return step.added if isinstance(step, TaskTrace) and step.started is None else step.started or 0.0


def _state(step: TaskTrace | Phase) -> str:
    return step.state if isinstance(step, TaskTrace) else "finished"


def _key(step: TaskTrace | Phase) -> str:
    return step.task.id if isinstance(step, TaskTrace) else step.key
