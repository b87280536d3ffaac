"""Rewritings of plans that keep what they compute."""

from planner.passes.reuse import Reuse

__all__ = ["Reuse"]
