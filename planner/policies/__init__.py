"""Ways from a question to an answer."""

from planner.policies.compiler import CompilerPolicy
from planner.policies.conclusion import Conclusion, Ending, StepPair
from planner.policies.dfsdt import DfsdtPolicy
from planner.policies.fallback import Fallback, Policy
from planner.policies.given import GivenPlan
from planner.policies.react import ReactPolicy
from planner.policies.steps import Step, StepWriter

__all__ = [
    "CompilerPolicy",
    "Conclusion",
    "DfsdtPolicy",
    "Ending",
    "Fallback",
    "GivenPlan",
    "Policy",
    "ReactPolicy",
    "Step",
    "StepPair",
    "StepWriter",
]
