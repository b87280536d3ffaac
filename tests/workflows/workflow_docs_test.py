"""Every workflow on a page of the docs can be read and checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentrt.workflows import Workflow

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)
FOUND = [
    (page.name, text)
    for page in sorted(DOCS.glob("*.md"))
    for text in BLOCK.findall(page.read_text(encoding="utf-8"))
    if text.startswith("agentrt:")
]


def test_the_pages_show_workflows() -> None:
    assert {page for page, _ in FOUND} >= {"workflows.md", "quickstart.md", "tutorial.md"}


@pytest.mark.parametrize(("page", "text"), FOUND, ids=[page for page, _ in FOUND])
def test_a_workflow_on_a_page_is_right(page: str, text: str) -> None:
    assert Workflow.from_text(text, name=page).steps
