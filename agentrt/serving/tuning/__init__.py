"""Measuring on this machine what each way to draft is worth, and remembering it for `speculation="auto"`."""

from __future__ import annotations

from agentrt.serving.tuning.table import Table, Trial, best_measured, read_table, write_table
from agentrt.serving.tuning.tune import tune

__all__ = ["Table", "Trial", "best_measured", "read_table", "tune", "write_table"]
