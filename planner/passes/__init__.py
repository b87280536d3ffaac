"""Rewritings of plans that keep what they compute."""

from planner.passes.merge import Merge
from planner.passes.pipeline import PASSES, PassName, Pipeline
from planner.passes.reuse import Reuse
from planner.passes.rewriting import Rewritten

__all__ = ["PASSES", "Merge", "PassName", "Pipeline", "Reuse", "Rewritten"]
