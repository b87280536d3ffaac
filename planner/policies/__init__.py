"""Ways from a question to an answer."""

from planner.policies.compiler import CompilerPolicy, Conclusion, Ending
from planner.policies.given import GivenPlan

__all__ = ["CompilerPolicy", "Conclusion", "Ending", "GivenPlan"]
