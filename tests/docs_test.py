"""Every Python block in README.md and docs/ runs, page by page, in an interpreter of its own.

A block that cannot run here carries `<!-- not run: REASON -->` on the line above it; it must still compile.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?P<note><!-- not run: (?P<reason>.+?) -->\n)?(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    line: int
    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found: list[Block] = []
    for match in BLOCK.finditer(text):
        indent = len(match["indent"])
        code = "\n".join(line[indent:] for line in match["code"].splitlines())
        found.append(Block(text.count("\n", 0, match.start("code")) + 1, code, match["reason"]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    source = ""
    for block in blocks(page):
        compile(block.code, f"{page.name}:{block.line}", "exec")
        if block.reason is None:
            # Blank lines keep the page's line numbers in tracebacks.
            source += "\n" * (block.line - 1 - source.count("\n")) + block.code + "\n"
    if not source.strip():
        pytest.skip(f"{page.name} has no Python block that can run without a large model or network")
    script = tmp_path / f"page_{page.stem}.py"  # a page may have the name of a package
    script.write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
