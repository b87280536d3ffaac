"""Plans written by language models: reading them while they stream, running rounds of them, joining results.

Builds on `executor`. The chat models are langchain-core's; nothing of it is imported before one is used.
"""

from planner.checks import Call, PlanChecker
from planner.errors import (
    InvalidPlan,
    JoinFailed,
    Place,
    PlannerError,
    PlanningFailed,
    PlanNotice,
    PlanProblem,
    PlanSyntaxError,
    PlanTooLong,
)
from planner.events import (
    Joined,
    JoinStarted,
    PlanFinished,
    PlannerEvent,
    PlannerObserver,
    PlanRejected,
    PlanStarted,
    PlanText,
    PlanWarning,
    Replanned,
    TaskReused,
    Usage,
)
from planner.examples import Example
from planner.forms import PlanForm
from planner.joiner import Decision, Finish, Joiner, Replan
from planner.lines import as_line, as_lines
from planner.policies import CompilerPolicy, Conclusion
from planner.reader import PlanReader, PlanReading, read_plan
from planner.rounds import Round
from planner.writer import LLMPlanner, PlanStream

__all__ = [
    "Call",
    "CompilerPolicy",
    "Conclusion",
    "Decision",
    "Example",
    "Finish",
    "InvalidPlan",
    "JoinFailed",
    "JoinStarted",
    "Joined",
    "Joiner",
    "LLMPlanner",
    "Place",
    "PlanChecker",
    "PlanFinished",
    "PlanForm",
    "PlanNotice",
    "PlanProblem",
    "PlanReader",
    "PlanReading",
    "PlanRejected",
    "PlanStarted",
    "PlanStream",
    "PlanSyntaxError",
    "PlanText",
    "PlanTooLong",
    "PlanWarning",
    "PlannerError",
    "PlannerEvent",
    "PlannerObserver",
    "PlanningFailed",
    "Replan",
    "Replanned",
    "Round",
    "TaskReused",
    "Usage",
    "as_line",
    "as_lines",
    "read_plan",
]
