"""Everything the executor raises.

    ExecutorError
    ├── PlanError                a plan that cannot be run as written
    │   ├── DuplicateTask        two tasks with one id
    │   ├── CycleError           tasks that wait for each other (or one for itself)
    │   ├── UnknownReference     a task that needs an id no task defines
    │   ├── UnknownTool          a call of a tool that is not there
    │   ├── ArgumentMismatch     arguments that do not fit the tool's schema
    │   └── TooManyTasks         more tasks than the limit allows
    └── CallError                one task's call that did not give a value
        ├── PathError            a reference into a result that has no such field
        ├── ConditionError       a task's `when` that cannot be decided
        ├── ToolFailed           the tool raised; its exception is ``__cause__``
        ├── ToolTimeout          the tool took longer than its limit
        ├── CircuitOpen          the tool has only failed lately and is not called for a while
        ├── NotAllowed           the budget is spent, or a person said no
        └── ElementsFailed       elements of a `foreach` failed

A `CallError` is an outcome, not a crash: it lives in the task's `Failed` outcome and siblings go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class ExecutorError(Exception):
    """Root of everything raised by `executor`."""


class PlanError(ExecutorError):
    """A plan that cannot be run as written. `task` is the id of the task at fault, where there is one."""

    def __init__(self, message: str, *, task: str | None = None) -> None:
        super().__init__(message)
        self.task = task


class DuplicateTask(PlanError):
    """Two tasks of one plan carry the same id."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task} is defined twice; give each task its own id", task=task)


class CycleError(PlanError):
    """Tasks that wait for each other. `path` names them in order, the first again at the end."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path: tuple[str, ...] = (*path,)
        if len(set(self.path)) == 1:
            message = f"task {self.path[0]} refers to its own result"
        else:
            message = f"tasks wait for each other in a circle: {' -> '.join(self.path)}"
        super().__init__(f"{message}; a task may only use results of tasks that do not need it", task=self.path[0])


class UnknownReference(PlanError):
    """A task needs results that no task of the plan defines."""

    def __init__(self, task: str, missing: Sequence[str], known: Sequence[str] = ()) -> None:
        self.missing = tuple(missing)
        names = ", ".join(f"${name}" for name in self.missing)
        have = f" (the plan defines {', '.join(known[:20])})" if known else ""
        super().__init__(f"task {task} refers to {names}, which no task defines{have}", task=task)


class UnknownTool(PlanError):
    """A call of a tool that is not in the tool set."""

    def __init__(self, name: str, known: Sequence[str], *, task: str | None = None) -> None:
        self.name = name
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(known)[:20]) or 'none'}"
        super().__init__(f"there is no tool called {name!r}{hint}", task=task)


class ArgumentMismatch(PlanError):
    """Arguments that do not fit the tool's schema. `problems` has one sentence for each."""

    def __init__(self, tool: str, problems: Sequence[str], *, task: str | None = None) -> None:
        self.tool = tool
        self.problems = tuple(problems)
        super().__init__(f"{tool}: {'; '.join(self.problems)}", task=task)


class TooManyTasks(PlanError):
    """A plan, or an endless stream of tasks, that passed the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the plan has more than {limit} tasks; raise max_tasks if that is meant")


class CallError(ExecutorError):
    """One call that gave no value. `task` is the id of the task that made it."""

    def __init__(self, message: str, *, task: str) -> None:
        super().__init__(message)
        self.task = task


class PathError(CallError):
    """A reference into a result that has no such field or item."""


class ToolFailed(CallError):
    """The tool raised. The tool's own exception is `__cause__`, and `kind` its class's name.

    Of a call that failed in an earlier process only `kind` is left.
    """

    def __init__(self, message: str, *, task: str, kind: str) -> None:
        super().__init__(message, task=task)
        self.kind = kind


class ToolTimeout(CallError):
    """The tool took longer than its limit and was cancelled."""


class ConditionError(CallError):
    """A task's `when` cannot be decided: a part that is not there, or values that cannot be compared."""


class CircuitOpen(CallError):
    """The tool has only failed lately and is not called for a while."""


class NotAllowed(CallError):
    """The call was not made: the budget is spent (`__cause__` says which), or a person said no."""


class ElementsFailed(CallError):
    """Elements of a `foreach` failed, or it had nothing to run over."""
