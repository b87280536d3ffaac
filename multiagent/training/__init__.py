"""Optima training: collect, rank, select, train and evaluate. Makes the data; training itself is behind `Trainer`."""

from multiagent.training.loop import STEPS, OptimaRun, evaluate
from multiagent.training.port import ModelAt, OpenModel, SftRow, Trainer, TrainOutcome, TrainSettings
from multiagent.training.recipe import RECIPES, PairRules, Recipe, TreeSettings, recipe_named
from multiagent.training.select import AtRandom, ByInfluence, ByValue, PairSelector, without_displacement
from multiagent.training.tasks import Setting, Task, read_tasks

__all__ = [
    "RECIPES",
    "STEPS",
    "AtRandom",
    "ByInfluence",
    "ByValue",
    "ModelAt",
    "OpenModel",
    "OptimaRun",
    "PairRules",
    "PairSelector",
    "Recipe",
    "Setting",
    "SftRow",
    "Task",
    "TrainOutcome",
    "TrainSettings",
    "Trainer",
    "TreeSettings",
    "evaluate",
    "read_tasks",
    "recipe_named",
    "without_displacement",
]
