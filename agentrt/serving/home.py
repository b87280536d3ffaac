"""Where models and servers keep their files."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder that everything lives in: `AGENTRT_HOME`, or `~/.cache/agentrt`."""
    named = os.environ.get("AGENTRT_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "agentrt"


def model_home(name: str) -> Path:
    """The folder of one catalogue model: its GGUF file and a folder for each checkpoint."""
    return home() / "models" / name


def servers_home() -> Path:
    """The folder that running servers keep their state, leases and logs in."""
    return home() / "servers"
