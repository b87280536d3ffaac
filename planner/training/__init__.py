"""Exercises for small planners: questions with plans, made from the tools' schemas, and how near a plan comes."""

from planner.training.generate import (
    Exercise,
    Exercises,
    as_rows,
    exercises,
    from_rows,
    is_held_out,
    plan_text,
    verified,
)
from planner.training.measure import PlanScore, mean, measure, plan_score
from planner.training.paraphrase import paraphrased
from planner.training.prompts import conversations
from planner.training.simulate import simulated

__all__ = [
    "Exercise",
    "Exercises",
    "PlanScore",
    "as_rows",
    "conversations",
    "exercises",
    "from_rows",
    "is_held_out",
    "mean",
    "measure",
    "paraphrased",
    "plan_score",
    "plan_text",
    "simulated",
    "verified",
]
