"""Everything `agentrt.tools` raises.

ToolsError
├── SignatureError       a function that cannot be made a tool as it is written
├── ArgumentError        arguments that do not fit the tool's parameters (also a ValueError)
├── CalculationError     an expression that is no arithmetic, or has no number as its value (also a ValueError)
├── DocumentError        a document file or folder that cannot be read; says path and line
├── NothingFound         a search without a single match (also a LookupError)
└── ToolLoadError        a ``--tools`` value that gives no tools
"""

from __future__ import annotations

from collections.abc import Sequence


class ToolsError(Exception):
    """Root of everything raised by `agentrt.tools`."""


class SignatureError(ToolsError, TypeError):
    """A function that cannot be made a tool as it is written. The message names function and parameter."""

    def __init__(self, function: str, problem: str) -> None:
        self.function = function
        super().__init__(f"{function} cannot be a tool: {problem}")


class ArgumentError(ToolsError, ValueError):
    """Arguments that do not fit. `problems` has one sentence for each, which starts with the argument's name.

    The executor puts task and tool before it.
    """

    def __init__(self, tool: str, problems: Sequence[str]) -> None:
        self.tool = tool
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class CalculationError(ToolsError, ValueError):
    """An expression that is no arithmetic, is too large, or whose value is not a real number."""


class DocumentError(ToolsError):
    """Documents that cannot be read. `where` is a path, with the line after a colon where there is one."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        super().__init__(f"{where}: {problem}")


class NothingFound(ToolsError, LookupError):
    """No passage shares a word with the query."""


class ToolLoadError(ToolsError):
    """What `--tools` names gives no tools; the message says what it should look like."""
