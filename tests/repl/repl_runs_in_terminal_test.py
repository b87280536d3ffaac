"""Runs that are asked about, broken off and gone on with, in the real REPL in a real pseudo-terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from executor.approval import pending
from executor.journal import SqliteJournal
from tests.repl.terminals import PROMPT, Terminal, decision

LETTER = '1. letter("Ada")\n2. gate("door")\n3. search("Ed Wood")\n4. join()'
WORKFLOW = """agentrt: 1
name: visit
inputs: {title: string, door: string}
tasks:
  page: {call: search, with: {title: '${inputs.title}'}}
  door: {call: gate, after: [page], with: {name: '${inputs.door}'}}
output: {page: '${page.title}', door: '${door}'}
"""


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_call_is_asked_about_in_line_while_the_rest_of_the_plan_goes_on(start: type[Terminal]) -> None:
    plan = '1. gate("first")\n2. letter("Ada", $1)\n3. gate("second")\n4. search("Ed Wood")\n5. join()'
    terminal = start([plan, decision("Written.", ["2"])])
    terminal.until(PROMPT)
    terminal.enter("Write to Ada")
    terminal.until("search")
    terminal.type("yes, and then")  # typed before the question is there: no answer, but the next entry
    (terminal.folder / "first").touch()
    terminal.until("Send the letter?")
    terminal.until("later: ")
    terminal.type("mayb\x7f\x7f\x7f\x7fwhy\r")
    terminal.until("'why' is no answer")
    (terminal.folder / "second").touch()
    terminal.until("second is open")
    terminal.until("later: ")  # the rest of that picture
    assert "✓ 4. search" in terminal.shown
    assert not lines(terminal.folder / "sent")
    terminal.type("y\r")
    terminal.until("saved against")
    terminal.until(PROMPT)
    assert lines(terminal.folder / "sent") == ["Ada"]
    assert "✓ 2. letter" in terminal.shown
    terminal.until("yes, and then")
    terminal.type("\x15")
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_a_no_with_its_reason_is_an_outcome_and_a_dumb_terminal_asks_too(start: type[Terminal]) -> None:
    terminal = start([LETTER, decision("Not written.", ["3"])], TERM="dumb")
    (terminal.folder / "door").touch()
    terminal.until(PROMPT)
    terminal.enter("Write to Ada")
    terminal.until("later: ")
    terminal.enter("what?")
    terminal.until("is no answer")
    terminal.until("later: ")
    terminal.enter("no she has moved")
    terminal.until("was not allowed: she has moved")
    terminal.until("Not written.")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0
    assert not lines(terminal.folder / "sent")
    assert b"\x1b" not in terminal.raw


def test_what_is_left_for_later_is_answered_and_gone_on_with(start: type[Terminal]) -> None:
    terminal = start([LETTER, decision("Written.", ["1"])], columns=60)
    (terminal.folder / "door").touch()
    terminal.until(PROMPT)
    terminal.process.setwinsize(9, 60)
    terminal.enter("Write to Ada")
    terminal.until("later: ")  # also where there is hardly room for it
    terminal.type("later\r")
    terminal.until("then /resume")
    terminal.until(PROMPT)
    terminal.enter("/runs")
    terminal.until("parked")
    terminal.until(PROMPT)
    terminal.enter("/approve")
    terminal.until("| value JSON")
    terminal.until(PROMPT)
    with SqliteJournal(terminal.folder / "runs.db", read_only=True) as journal:
        (run,) = journal.runs()
    assert run.status == "parked"
    terminal.type("/approve \t")  # the policies, and the run that waits
    terminal.until(run.id[:4])
    terminal.type("\x15")
    terminal.enter(f"/approve {run.id} 2")
    terminal.until("what waits: 1")
    terminal.until(PROMPT)
    terminal.enter(f'/approve {run.id[:6]} 1 value "sent by hand"')
    terminal.until("goes on")
    terminal.until(PROMPT)
    terminal.enter("/resume")
    terminal.until("saved against")
    terminal.until(PROMPT)
    assert not lines(terminal.folder / "sent")
    terminal.enter("/trace")
    terminal.until("critical path")
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_what_is_left_for_later_inside_a_step_waits_and_goes_on(start: type[Terminal]) -> None:
    terminal = start([LETTER, decision("Written.", ["1"])])
    (terminal.folder / "door").touch()
    (terminal.folder / "wf.yaml").write_text(
        "agentrt: 1\nname: w\ntasks:\n  p: {plan: Write to Ada}\n  s: {call: search, with: {title: Heat}}\n"
    )
    terminal.until(PROMPT)
    terminal.enter("/run wf.yaml")
    terminal.until("later: ")
    terminal.type("later\r")
    terminal.until("answers it from another terminal")
    terminal.type("\x03")
    terminal.until("goes on with it")
    terminal.until(PROMPT)
    with SqliteJournal(terminal.folder / "runs.db", read_only=True) as journal:
        (run,) = (one.id for one in journal.runs() if "workflow_step" not in one.head)
    terminal.type(f"/approve {run[:6]}\t")
    terminal.until(f"{run[6:]}-p")
    terminal.type(" \t")
    terminal.enter(" yes")
    terminal.until("yes: 1. letter")
    terminal.until(PROMPT)
    terminal.enter("/resume")
    terminal.until('"p": "Written."')
    terminal.until(PROMPT)
    assert lines(terminal.folder / "sent") == ["Ada"]
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_a_policy_says_yes_to_all_and_a_budget_ends_a_run_in_time(start: type[Terminal]) -> None:
    terminal = start([LETTER, decision("Written.", ["1"]), '1. search("a")\n2. search("b")\n3. join()', decision("b")])
    (terminal.folder / "door").touch()
    terminal.until(PROMPT)
    terminal.enter("/approve yes")
    terminal.until("every call has your yes")
    terminal.until(PROMPT)
    terminal.enter("Write to Ada")
    terminal.until("saved against")
    terminal.until(PROMPT)
    assert lines(terminal.folder / "sent") == ["Ada"]
    terminal.enter("/budget call 1")
    terminal.until("it has: calls, tokens, seconds")
    terminal.until(PROMPT)
    terminal.enter("/budget calls 1 seconds 60")
    terminal.until("seconds = 60")
    terminal.until(PROMPT)
    terminal.enter("Search")
    terminal.until("the budget of 1 calls is spent")
    terminal.until("saved against")
    terminal.until(PROMPT)
    terminal.enter("/budget")
    terminal.until("wall time")
    terminal.until(PROMPT)
    assert "calls    1        tool calls of a run, retries included  last run: 1" in terminal.shown
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_a_workflow_is_completed_run_stopped_and_gone_on_with(start: type[Terminal]) -> None:
    terminal = start()
    (terminal.folder / "visit.yaml").write_text(WORKFLOW)
    terminal.until(PROMPT)
    terminal.type("/run vis\t")
    terminal.until("it.yaml")
    terminal.type(" ti\t")
    terminal.until("tle=")
    terminal.enter("Heat")
    terminal.until("input 'door' is missing")
    terminal.until(PROMPT)
    terminal.enter("/run visit.yaml title=Heat door=front")
    terminal.until("gate(")
    terminal.type("\x03")
    terminal.until("goes on with it")
    terminal.until(PROMPT)
    (terminal.folder / "front").touch()
    terminal.enter("/resume")
    terminal.until('"door": "front is open"')
    terminal.until(PROMPT)
    assert lines(terminal.folder / "gates") == ["front", "front"]
    terminal.enter("/resume")
    terminal.until("no run was broken off")
    terminal.until(PROMPT)
    terminal.enter("/run nothing.yaml")
    terminal.until("the file cannot be read")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0


@pytest.mark.parametrize("what", ["question", "workflow"])
def test_a_killed_repl_goes_on_in_the_next_one(what: str, start: type[Terminal]) -> None:
    plan = '1. gate("first")\n2. gate("second")\n3. join()'
    terminal = start([plan])
    (terminal.folder / "first").touch()
    (terminal.folder / "visit.yaml").write_text(WORKFLOW)
    terminal.until(PROMPT)
    terminal.enter("Which doors?" if what == "question" else "/run visit.yaml title=Heat door=second")
    terminal.until("second")
    while "second" not in lines(terminal.folder / "gates"):
        terminal.until("s")  # the spinner's seconds
    terminal.process.kill(signal.SIGKILL)
    assert terminal.ends() == -signal.SIGKILL
    before = lines(terminal.folder / "gates")
    (terminal.folder / "second").touch()
    again = start([decision("Both.", ["1", "2"])])
    again.until("was broken off: /resume")
    again.until(PROMPT)
    again.enter("/runs")
    again.until("interrupted")
    again.until(PROMPT)
    again.enter("/resume")
    again.until("Both." if what == "question" else '"page": "Heat"')
    again.until(PROMPT)
    assert lines(terminal.folder / "gates") == [*before, "second"]
    again.enter("/runs")
    again.until("finished")
    again.until(PROMPT)
    again.enter("/quit")
    assert again.ends() == 0


def test_a_terminal_that_is_resized_or_left_while_a_question_waits(start: type[Terminal]) -> None:
    terminal = start([LETTER, decision("Written.", ["1"])])
    (terminal.folder / "door").touch()
    terminal.until(PROMPT)
    before = terminal.modes()
    terminal.enter("Write to Ada")
    terminal.until("later: ")
    for rows, columns in ((7, 40), (3, 12), (50, 160)):
        terminal.process.setwinsize(rows, columns)
        terminal.until("later: " if columns > 20 else "▌")
    terminal.type("y\x03")  # Ctrl-C before Enter: nothing was answered
    terminal.until("goes on with it")
    terminal.until(PROMPT)
    assert terminal.modes() == before
    terminal.enter("/resume")
    terminal.until("later: ")
    terminal.type("\x04")  # Ctrl-D: not now
    terminal.until("then /resume")
    terminal.until(PROMPT)
    terminal.enter("/resume")
    terminal.until("later: ")
    terminal.process.kill(signal.SIGTERM)
    assert terminal.ends() == 128 + signal.SIGTERM
    assert not lines(terminal.folder / "sent")
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"


def test_a_terminal_that_is_closed_while_a_question_waits_answers_nothing(start: type[Terminal]) -> None:
    terminal = start([LETTER])
    (terminal.folder / "door").touch()
    terminal.until(PROMPT)
    terminal.enter("Write to Ada")
    terminal.until("later: ")
    child = terminal.process.ptyproc
    child.fileobj.close()
    status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    for process in (terminal.process, child):
        process.closed = process.terminated = True
    assert status in (128 + signal.SIGHUP, 1)
    with SqliteJournal(terminal.folder / "runs.db", read_only=True) as journal:
        (run,) = journal.runs()
        assert run.status in ("running", "parked")
        assert [one.task for one in pending(journal, run.id)] == ["1"]
    assert not lines(terminal.folder / "sent")
