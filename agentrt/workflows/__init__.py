"""Workflows: steps that are fixed, written in YAML, checked when they are read, run by the same executor as plans."""

from agentrt.workflows.errors import (
    InvalidInputs,
    InvalidWorkflow,
    NeedsModel,
    NestedFailed,
    NoAnswer,
    Problem,
    WorkflowError,
)
from agentrt.workflows.running import WorkflowEnded, WorkflowResult
from agentrt.workflows.schema import json_schema
from agentrt.workflows.workflow import Workflow

__all__ = [
    "InvalidInputs",
    "InvalidWorkflow",
    "NeedsModel",
    "NestedFailed",
    "NoAnswer",
    "Problem",
    "Workflow",
    "WorkflowEnded",
    "WorkflowError",
    "WorkflowResult",
    "json_schema",
]
