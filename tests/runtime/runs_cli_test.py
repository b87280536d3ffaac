"""`agentrt runs` as a user meets it, in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agentrt import Runtime, tool
from executor import Plan, Task
from executor.approval import Approvals, Parked
from executor.journal import SqliteJournal

ROOT = Path(__file__).resolve().parents[2]
TOOLS = '''
from agentrt import tool

@tool(effect="once", approve="Send it?")
async def send(to: str) -> str:
    """Sends a letter."""
    return f"sent to {to}"
'''


@tool(effect="once", approve="Send it?")
async def send(to: str) -> str:
    """Sends a letter."""
    return f"sent to {to}"


PLAN = Plan([Task("a", "send", {"to": "Ada"}), Task("b", "send", {"to": "Bob"})])


def agentrt(*words: str, journal: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from agentrt.cli.main import main; main()", "runs", *words]
    return subprocess.run(
        [*command, "--journal", str(journal)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


async def parked(path: Path) -> str:
    async with Runtime(None, [send], journal=path) as rt:
        with pytest.raises(Parked) as caught:
            await rt.run(PLAN, title="two letters")
    return caught.value.run


def test_a_parked_run_is_listed_approved_resumed_and_replayed(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    tools = tmp_path / "letters.py"
    tools.write_text(TOOLS)
    run = anyio.run(parked, journal)
    listed = json.loads(agentrt("list", "--json", journal=journal).stdout)
    assert [(one["id"], one["status"], one["title"]) for one in listed] == [(run, "parked", "two letters")]
    shown = agentrt("show", run[:6], journal=journal).stdout
    assert f"agentrt runs approve {run} a" in shown
    assert agentrt("approve", run, "b", journal=journal).returncode == 0
    refused = agentrt("approve", run, "b", journal=journal)
    assert refused.returncode == 1
    assert "what waits: a" in refused.stderr
    assert agentrt("approve", run, "a", "--no", "--note", "not her", journal=journal).returncode == 0
    resumed = agentrt("resume", run, "--tools", str(tools), journal=journal)
    assert resumed.returncode == 0, resumed.stderr
    outcomes = json.loads(resumed.stdout)
    assert outcomes["b"]["value"] == "sent to Bob"
    assert "not her" in outcomes["a"]["error"]
    replayed = agentrt("replay", run, "--tools", str(tools), journal=journal)
    assert replayed.returncode == 0, replayed.stderr
    assert "all as they were" in replayed.stderr
    assert agentrt("prune", "--keep", "0", journal=journal).stdout == "removed 1 runs\n"
    missing = agentrt("show", run, journal=journal)
    assert missing.returncode == 1
    assert "there is no run" in missing.stderr


@pytest.mark.asyncio
async def test_another_process_answers_and_cancels_a_run_that_is_at_work(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    async with Runtime(None, [send], journal=journal, approvals=Approvals(wait=True)) as rt:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                failed: list[str] = []

                async def run() -> None:
                    try:
                        await rt.run(PLAN, run_id="livelive")
                    except Exception as error:
                        failed.append(type(error).__name__)

                group.start_soon(run)
                while len(rt.approvals.waiting) < 2:
                    await anyio.lowlevel.checkpoint()
                done = await anyio.to_thread.run_sync(lambda: agentrt("approve", "live", "a", journal=journal))
                assert done.returncode == 0, done.stderr
                while len(rt.approvals.waiting) > 1:
                    await anyio.lowlevel.checkpoint()
                done = await anyio.to_thread.run_sync(lambda: agentrt("cancel", "live", journal=journal))
                assert done.returncode == 0, done.stderr
        assert failed == ["RunCancelled"]
        assert rt.journal.info("livelive").status == "cancelled"
        values = [record.task for record in rt.journal.read("livelive", kinds=("TaskFinished",))]
        assert values == ["a"]


def test_a_journal_that_is_written_elsewhere_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteJournal(path):
        refused = agentrt("prune", journal=path)
        assert refused.returncode == 1
        assert "is being written by process" in refused.stderr
        assert agentrt("list", journal=path).returncode == 0
