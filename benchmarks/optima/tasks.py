"""The questions: two agents with half the facts each, and arithmetic."""

from __future__ import annotations

import os
from pathlib import Path

from multiagent.training import Task, read_tasks

DEVELOPED_ON = 8
"""The first questions of each set: prompts, formats and grammars were written looking at them, so no figure counts
them."""

DATASETS = ("asym_hotpot", "asym_musique", "gsm8k")


def tasks_of(name: str, count: int, *, skip: int = 0) -> list[Task]:
    """`count` questions of a data set after the first `skip`; none where the data is not there."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = Path(os.environ.get("AGENTRT_DATA", default)) / "agents" / f"{name}.json"
    return read_tasks(path, limit=skip + count)[skip:] if path.exists() else []
