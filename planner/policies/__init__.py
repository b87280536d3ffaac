"""Ways from a question to an answer."""

from planner.policies.compiler import CompilerPolicy, Conclusion, Ending

__all__ = ["CompilerPolicy", "Conclusion", "Ending"]
