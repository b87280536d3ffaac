from __future__ import annotations

import subprocess
import sys

import pytest

import agentrt.tools


def test_every_name_of_the_door_is_there() -> None:
    for name in agentrt.tools.__all__:
        assert getattr(agentrt.tools, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agentrt.tools.nothing  # type: ignore[attr-defined]  # what is tested


def test_heavy_packages_wait_until_they_are_used() -> None:
    code = (
        "import sys; from agentrt.tools import tool, calculator, load_tools, PassageIndex;"
        "print(sorted({'numpy', 'bm25s', 'pydantic_monty', 'langchain_core', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
