"""Measuring on this machine what each way to draft is worth, and remembering it for `speculation="auto"`.

`tune` is in `agentrt.serving.tuning.tune`, beside the requests it makes: it takes a chat model with it.
"""

from __future__ import annotations

from agentrt.serving.tuning.table import Table, Trial, best_measured, read_table, write_table

__all__ = ["Table", "Trial", "best_measured", "read_table", "write_table"]
