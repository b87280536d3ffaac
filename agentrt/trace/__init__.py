"""Readers of the event stream: what happens and what happened, for people and for other programs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentrt.trace.critical import Step, critical_path
    from agentrt.trace.errors import TraceError
    from agentrt.trace.journalled import journalled_trace
    from agentrt.trace.mermaid import run_mermaid
    from agentrt.trace.page import run_page
    from agentrt.trace.progress import ProgressBar
    from agentrt.trace.recorded import Phase, RunTrace, TaskTrace, run_trace
    from agentrt.trace.records import EventWriter, Record, read_records, record
    from agentrt.trace.spans import Span, otlp_json, run_spans
    from agentrt.trace.summary import show_run
    from agentrt.trace.terminal import TerminalView, closing_line, show_answer
    from agentrt.trace.timeline import Row, Timeline, call_text

_HOMES = {
    "critical": ("Step", "critical_path"),
    "errors": ("TraceError",),
    "journalled": ("journalled_trace",),
    "mermaid": ("run_mermaid",),
    "page": ("run_page",),
    "progress": ("ProgressBar",),
    "records": ("EventWriter", "Record", "read_records", "record"),
    "recorded": ("Phase", "RunTrace", "TaskTrace", "run_trace"),
    "spans": ("Span", "otlp_json", "run_spans"),
    "summary": ("show_run",),
    "terminal": ("TerminalView", "closing_line", "show_answer"),
    "timeline": ("Row", "Timeline", "call_text"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "EventWriter",
    "Phase",
    "ProgressBar",
    "Record",
    "Row",
    "RunTrace",
    "Span",
    "Step",
    "TaskTrace",
    "TerminalView",
    "Timeline",
    "TraceError",
    "call_text",
    "closing_line",
    "critical_path",
    "journalled_trace",
    "otlp_json",
    "read_records",
    "record",
    "run_mermaid",
    "run_page",
    "run_spans",
    "run_trace",
    "show_answer",
    "show_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
