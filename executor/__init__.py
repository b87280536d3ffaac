"""Plans of tool calls and the executor that runs them. Stands on its own; imports nothing of ours."""

from executor.draw import dot, mermaid
from executor.errors import (
    ArgumentMismatch,
    CallError,
    CycleError,
    DuplicateTask,
    ExecutorError,
    PathError,
    PlanError,
    ToolFailed,
    ToolTimeout,
    TooManyTasks,
    UnknownReference,
    UnknownTool,
)
from executor.events import (
    TaskAdded,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskSkipped,
    TaskStarted,
    to_json,
)
from executor.outcomes import Failed, Finished, Outcome, Skipped
from executor.plan import FailurePolicy, Plan, Task
from executor.refs import Ref, Text, as_text, parse, parse_tree, plain
from executor.run import Executor, Observer
from executor.schedule import Closing, Schedule, State
from executor.signature import JsonSchema, Parameter, Signature
from executor.tool import Effect, Retry, Tool, ToolContext, Toolset

__all__ = [
    "ArgumentMismatch",
    "CallError",
    "Closing",
    "CycleError",
    "DuplicateTask",
    "Effect",
    "Executor",
    "ExecutorError",
    "Failed",
    "FailurePolicy",
    "Finished",
    "JsonSchema",
    "Observer",
    "Outcome",
    "Parameter",
    "PathError",
    "Plan",
    "PlanError",
    "Ref",
    "Retry",
    "Schedule",
    "Signature",
    "Skipped",
    "State",
    "Task",
    "TaskAdded",
    "TaskEvent",
    "TaskFailed",
    "TaskFinished",
    "TaskRetried",
    "TaskSkipped",
    "TaskStarted",
    "Text",
    "TooManyTasks",
    "Tool",
    "ToolContext",
    "ToolFailed",
    "ToolTimeout",
    "Toolset",
    "UnknownReference",
    "UnknownTool",
    "as_text",
    "dot",
    "mermaid",
    "parse",
    "parse_tree",
    "plain",
    "to_json",
]
