"""Readers of the event stream: what happened, for people."""

from agentrt.trace.progress import ProgressBar
from agentrt.trace.terminal import TerminalView, closing_line, show_answer
from agentrt.trace.timeline import Row, Timeline, call_text

__all__ = ["ProgressBar", "Row", "TerminalView", "Timeline", "call_text", "closing_line", "show_answer"]
