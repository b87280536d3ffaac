"""What can be wrong with a workflow.

AgentrtError
└── WorkflowError
    ├── InvalidWorkflow    the file, or a file it runs, cannot be run as written; has every problem with its place
    ├── InvalidInputs      inputs that are missing, unknown or of the wrong type; a UsageError too
    ├── NoAnswer           a model that gave nothing that fits a step's schema, twice
    ├── NeedsModel         a step that asks a model, in a run that has none
    └── NestedFailed       a workflow that another one runs, and in which a step failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from agentrt.errors import AgentrtError, UsageError

_SHOWN = 20


class Problem(NamedTuple):
    """One thing that is wrong, and where.

    Attributes:
        file: the workflow's file as it was named.
        line: from 1.
        column: from 1, in characters.
        message: what is wrong.
        hint: the likely fix; may be empty.
        excerpt: the line, as far as it is worth showing.
        caret: index of the place in `excerpt`.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    excerpt: str = ""
    caret: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f"; {self.hint}" if self.hint else "")

    def pretty(self) -> str:
        """The problem over several lines: place and message, the line itself, a caret, the likely fix."""
        lines = [f"{self.file}:{self.line}:{self.column}: {self.message}"]
        if self.excerpt.strip():
            number = f"{self.line} | "
            lines += [f"  {number}{self.excerpt}", f"  {' ' * (len(number) + self.caret)}^"]
        if self.hint:
            lines.append(f"  fix: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The problem as plain JSON data."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }


class WorkflowError(AgentrtError):
    """Root of what workflows raise."""


class InvalidWorkflow(WorkflowError):
    """A workflow that cannot be run as written. `problems` has all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = "\n".join(problem.pretty() for problem in self.problems[:_SHOWN])
        more = f"\n… and {len(self.problems) - _SHOWN} more" if len(self.problems) > _SHOWN else ""
        many = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
        super().__init__(f"the workflow cannot be run ({many})\n{shown}{more}")


class InvalidInputs(WorkflowError, UsageError):
    """Inputs that do not fit the workflow. `problems` has one sentence for each."""

    def __init__(self, workflow: str, problems: Sequence[str], takes: str) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{workflow}: {'; '.join(self.problems)} ({takes})")


class NoAnswer(WorkflowError):
    """A model was asked for a value of a certain form and gave none."""


class NeedsModel(WorkflowError):
    """Something asks a model in a runtime that was made without one."""

    def __init__(self) -> None:
        super().__init__("this asks a language model, and the runtime was made without one; name a model")


class NestedFailed(WorkflowError):
    """In a workflow that a `run` step runs, a step failed and nothing handles it."""

    def __init__(self, workflow: str, failures: Mapping[str, str]) -> None:
        told = "; ".join(f"step {name}: {error}" for name, error in failures.items())
        super().__init__(f"workflow {workflow}: {told}")


def nearest(name: str, known: Sequence[str]) -> str:
    """`did you mean …?` for the likeliest of `known`; else what there is."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"there are: {shown}" if known else "there are none"
