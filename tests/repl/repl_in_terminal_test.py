"""The real REPL in a real pseudo-terminal, with a terminal emulator that shows what a person would see."""

from __future__ import annotations

import json
import os
import re
import signal
import termios

import pexpect
import pytest

from tests.repl.terminals import PROMPT, Terminal, decision

TWO_SEARCHES = '1. search("Ed Wood")\n2. search("Scott Derrickson")\n3. join()'


def test_a_question_is_answered_with_evidence_and_a_follow_up_sees_it(start: type[Terminal]) -> None:
    terminal = start([TWO_SEARCHES, decision("Both are American.", ["1"]), "1. join()", decision("Since 1924.")])
    terminal.until(PROMPT)
    terminal.enter("Same nationality?")
    terminal.until("saved against")
    terminal.until(PROMPT)
    for line in ("✓ 1. search", "✓ 2. search", "Both are American.", "[1] Ed Wood (films.json)", "2 tasks"):
        assert line in terminal.shown
    terminal.enter("Since when?")
    terminal.until("Since 1924.")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0
    prompts = json.loads((terminal.folder / "prompts.json").read_text())
    follow_up = prompts[2][1]
    assert "Same nationality?" in follow_up and "Both are American." in follow_up
    assert follow_up.rstrip().endswith("Now the question is: Since when?")


def test_ctrl_c_stops_the_run_and_not_the_repl_and_twice_leaves(start: type[Terminal]) -> None:
    terminal = start(['1. endless("a")\n2. join()', "1. join()", decision("still here")])
    terminal.until(PROMPT)
    before = terminal.modes()
    terminal.enter("Wait for me")
    terminal.until("running")
    assert not terminal.modes()[3] & termios.ECHO, "what is typed does not disturb the picture"
    terminal.type("\x03")
    terminal.until("stopped")
    terminal.until(PROMPT)
    assert (terminal.folder / "cancelled").exists()
    assert terminal.modes() == before
    terminal.enter("And now?")
    terminal.until("still here")
    terminal.until(PROMPT)
    terminal.type("\x03")
    terminal.until("Ctrl-C again")
    terminal.until(PROMPT)
    terminal.type("\x03")
    assert terminal.ends() == 0


def test_history_lasts_over_sessions_and_is_for_its_owner_alone(start: type[Terminal]) -> None:
    terminal = start([])
    terminal.until(PROMPT)
    terminal.enter("/set max_replans 1")
    terminal.until("max_replans = 1")
    terminal.until(PROMPT)
    terminal.type("\x04")
    assert terminal.ends() == 0
    assert (terminal.folder / "history").stat().st_mode & 0o777 == 0o600
    again = start([])
    again.until(PROMPT)
    again.type("\x1b[A\r")
    again.until("max_replans = 1")
    again.enter("/quit")
    assert again.ends() == 0


def test_tab_completes_commands_and_names_can_be_cut_short(start: type[Terminal]) -> None:
    terminal = start([])
    terminal.until(PROMPT)
    terminal.type("/too\t")
    terminal.until("ls")
    terminal.type("\r")
    terminal.until("search(title)")
    terminal.until(PROMPT)
    terminal.type("/set max_pl\t")
    terminal.until("tokens")
    terminal.enter(" 99")
    terminal.until("max_plan_tokens = 99")
    terminal.enter("/q")
    assert terminal.ends() == 0


def test_several_lines_are_one_question(start: type[Terminal]) -> None:
    terminal = start(["1. join()", decision("fine")])
    terminal.until(PROMPT)
    terminal.type("first\x1b\rsecond\\\rthird\r")
    terminal.until("fine")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0
    asked = json.loads((terminal.folder / "prompts.json").read_text())[0][1]
    assert "first\nsecond\nthird" in asked


def test_a_plan_can_be_changed_before_it_runs(start: type[Terminal]) -> None:
    terminal = start([TWO_SEARCHES, decision("changed", ["1"])])
    terminal.until(PROMPT)
    terminal.enter("/plan Same nationality?")
    terminal.until("plan> ")
    terminal.until("Scott Derrickson")
    terminal.type("\x15")  # the last line goes
    terminal.enter('2. serch("Orson Welles")')
    terminal.until("did you mean search?")
    terminal.until("plan> ")
    terminal.until("Orson")
    terminal.type("\x15")
    terminal.enter('2. search("Orson Welles")')
    terminal.until("changed")
    terminal.until(PROMPT)
    assert "ended early" not in terminal.shown
    terminal.enter("/trace")
    terminal.until("search(title=Orson Welles)")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_a_failure_is_one_paragraph_and_the_session_goes_on(start: type[Terminal]) -> None:
    terminal = start(["No plan.", "None again."])
    terminal.until(PROMPT)
    terminal.enter("Anything?")
    terminal.until("error:")
    terminal.until(PROMPT)
    terminal.enter("/bogus")
    terminal.until("there is no command /bogus")
    terminal.until(PROMPT)
    terminal.enter("/trace nonsense")
    terminal.until("there is no run 'nonsense'")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0
    assert "Traceback" not in terminal.shown


def test_tools_cannot_steer_the_terminal(start: type[Terminal]) -> None:
    terminal = start(["1. spy()\n2. join()", decision("\x1b[31mred\x1b]0;owned\x07", ["1"])])
    terminal.until(PROMPT)
    terminal.enter("Spy")
    terminal.until("saved against")
    terminal.until(PROMPT)
    assert b"\x1b]0;owned" not in terminal.raw
    assert b"\x1b[2J" not in terminal.raw
    assert "wiped" in terminal.shown


def test_no_color_means_no_colour(start: type[Terminal]) -> None:
    terminal = start([TWO_SEARCHES, decision("Both are American.", ["1"])], NO_COLOR="1")
    terminal.until(PROMPT)
    terminal.enter("Same nationality?")
    terminal.until("saved against")
    terminal.until(PROMPT)
    terminal.enter("/quit")
    assert terminal.ends() == 0
    colours = re.findall(rb"\x1b\[[0-9;]*m", terminal.raw)
    numbers = {int(number) for one in colours for number in re.findall(rb"\d+", one)}
    assert not numbers & {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}


def test_a_dumb_terminal_gets_plain_lines(start: type[Terminal]) -> None:
    terminal = start([TWO_SEARCHES, decision("Both are American.", ["1"]), '1. endless("a")\n2. join()'], TERM="dumb")
    terminal.until(PROMPT)
    terminal.enter("Same nationality?")
    terminal.until("done    2.")
    terminal.until("saved against")
    terminal.until(PROMPT)
    terminal.enter("Wait")
    terminal.until("start   1. endless")
    terminal.type("\x03")
    terminal.until("stopped")
    terminal.until(PROMPT)
    terminal.type("\x04")
    assert terminal.ends() == 0
    assert b"\x1b" not in terminal.raw


def test_sixty_columns_are_enough_and_answers_have_no_line_breaks_of_ours(start: type[Terminal]) -> None:
    answer = "A long answer that is wider than the terminal, and that one wants to copy in one piece from it."
    terminal = start([TWO_SEARCHES, decision(answer, ["1"])], columns=60)
    terminal.until(PROMPT)
    terminal.enter("Same nationality?")
    terminal.until("saved against")
    terminal.until(PROMPT)
    assert answer.encode() in terminal.raw, "the terminal wraps it, so it is copied as one line"
    terminal.enter("/help")
    terminal.until("Ctrl-C stops what runs.")
    terminal.enter("/quit")
    assert terminal.ends() == 0


def test_a_terminal_that_is_resized_while_a_run_goes_on(start: type[Terminal]) -> None:
    terminal = start(['1. endless("a")\n2. join()', "1. join()", decision("still here")])
    terminal.until(PROMPT)
    terminal.enter("Wait")
    terminal.until("running")
    for rows, columns in ((10, 40), (3, 12), (50, 160)):
        terminal.process.setwinsize(rows, columns)
        terminal.until("running" if columns > 20 else "r")
    terminal.type("\x03")
    terminal.until("stopped")
    terminal.until(PROMPT)
    terminal.enter("And now?")
    terminal.until("still here")
    terminal.enter("/quit")
    assert terminal.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_gives_the_terminal_back(number: signal.Signals, start: type[Terminal]) -> None:
    terminal = start(['1. endless("a")\n2. join()'])
    before = terminal.modes()
    terminal.until(PROMPT)
    terminal.enter("Wait")
    terminal.until("running")
    terminal.process.kill(number)
    terminal.process.expect(pexpect.EOF)
    terminal.raw += terminal.process.before
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"
    assert terminal.modes()[3] & termios.ECHO == before[3] & termios.ECHO
    terminal.process.close()
    assert terminal.process.exitstatus == 128 + number
    assert (terminal.folder / "cancelled").exists()


def test_a_terminal_that_is_closed_leaves_nothing_running(start: type[Terminal]) -> None:
    terminal = start(['1. endless("a")\n2. join()'])
    terminal.until(PROMPT)
    terminal.enter("Wait")
    terminal.until("running")
    child = terminal.process.ptyproc
    child.fileobj.close()
    status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    for process in (terminal.process, child):
        process.closed = process.terminated = True
    assert (terminal.folder / "cancelled").exists()
    assert status in (128 + signal.SIGHUP, 1)
