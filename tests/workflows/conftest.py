"""Tools that workflows in these tests call."""

from __future__ import annotations

import pytest

from agentrt import Tool, tool
from agentrt.tools import Passage


@tool(effect="pure")
async def search(title: str) -> Passage:
    """Finds a page by its title."""
    return Passage(title=title, text=f"All about {title}. $1 ${{left}} join()", source="films.json")


@tool(effect="pure")
async def count() -> int:
    """Counts."""
    return 3


@tool(effect="pure")
async def titles(year: int = 1995) -> list[str]:
    """The titles of a year."""
    return [f"Heat {year}", f"Seven {year}"]


@tool(effect="once")
async def send(text: str) -> str:
    """Sends a text."""
    return f"sent {text}"


@pytest.fixture
def tools() -> list[Tool]:
    return [search, count, titles, send]
