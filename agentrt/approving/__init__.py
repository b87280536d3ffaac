"""A person at the terminal is asked before a call, while other calls go on."""

from agentrt.approving.answers import ANSWERS, Later, read_answer
from agentrt.approving.asker import POLICIES, Policy, TerminalAsker

__all__ = ["ANSWERS", "POLICIES", "Later", "Policy", "TerminalAsker", "read_answer"]
