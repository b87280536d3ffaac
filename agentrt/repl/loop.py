"""The loop: read a line, do what it says, say what went wrong, go on."""

from __future__ import annotations

import signal
import sys
import traceback

import anyio
from rich.console import Console
from rich.text import Text

from agentrt.cli.failures import explain, innermost
from agentrt.repl.all_commands import all_commands
from agentrt.repl.asking import ask
from agentrt.repl.commands import Commands, completer
from agentrt.repl.interrupts import Interrupted, Interrupts
from agentrt.repl.journal import opened, unfinished
from agentrt.repl.lines import line_source
from agentrt.repl.options import ReplOptions
from agentrt.repl.running import how_to_go_on
from agentrt.repl.screen import kept_screen
from agentrt.repl.session import Session
from agentrt.trace.timeline import one_line, printable
from executor.approval import Parked

_PROMPT = "agentrt> "
_PARKED = 3


async def run_repl(options: ReplOptions) -> int:
    """Reads and does until the input ends or the user leaves; the exit status.

    0 for a session at a terminal; with lines from a pipe 1 when one of them failed, 3 when a run waits for a person.
    128 and the signal's number when a signal ended it. Everything that was opened is closed, and the terminal is as
    it was.
    """
    interrupts = Interrupts()
    status = 0
    with kept_screen(), opened(options.journal) as (journal, note):
        async with anyio.create_task_group() as group:
            await group.start(interrupts.watch, group.cancel_scope)
            session = Session(group, options, interrupts, Console(), journal)
            commands = all_commands()
            session.lines = line_source(interrupts, completer(commands, session), options.history, session.status)
            _greet(session, note)
            try:
                failed = await _loop(session, commands)
            finally:
                group.cancel_scope.cancel()
            if not session.lines.interactive:
                status = 1 if failed else _PARKED if _waits(session) else 0
    return status if interrupts.ended_by is None else 128 + interrupts.ended_by


def _greet(session: Session, note: str) -> None:
    """Says who answers, and what can go on. Scripts are told what goes wrong only."""
    if note:
        _complain(note, "yellow")
    if not session.lines.interactive:
        session.asker.policy = "wait"
        return
    session.say(f"{session.model.name}. Ask something, or /help.", "dim")
    if waiting := unfinished(session.journal):
        last = waiting[0]
        how = "waits for a person" if last.status == "parked" else "was broken off"
        more = f"; {len(waiting) - 1} more in /runs" if len(waiting) > 1 else ""
        session.say(f"{one_line(last.title, 60)!r} {how}: /resume {last.id} goes on with it{more}", "dim")


def _waits(session: Session) -> bool:
    parked = {run.id for run in unfinished(session.journal) if run.status == "parked"}
    return any(run.run_id in parked for run in session.runs)


async def _loop(session: Session, commands: Commands) -> bool:
    """Whether a line failed."""
    failed = False
    warned = False
    while not session.leaving:
        try:
            line = await session.lines.read(_PROMPT, commands=True)
        except EOFError:
            break
        except KeyboardInterrupt:
            if not session.lines.interactive:
                session.interrupts.end(signal.SIGINT)
                await anyio.lowlevel.checkpoint()
            if warned:
                break
            warned = True
            session.say("Ctrl-C again, Ctrl-D or /quit to leave.", "dim")
            continue
        warned = False
        try:
            with session.interrupts.stoppable():
                await _do(session, commands, line.strip())
        except Interrupted:
            session.say("; ".join(["stopped", *how_to_go_on(session)]), "yellow")
            failed = True
            if not session.lines.interactive:
                session.interrupts.end(signal.SIGINT)
                await anyio.lowlevel.checkpoint()
        except Exception as error:  # one line's failure must not end the session
            if isinstance(parked := innermost(error), Parked):
                _tell_what_waits(parked)
                continue
            failed = True
            if "--debug" in sys.argv:
                traceback.print_exception(error)
            _complain("\n".join([explain(error), *how_to_go_on(session)]), "red")
    return failed


def _tell_what_waits(parked: Parked) -> None:
    for one in parked.waiting:
        _complain(f"waits: {one.task}. {one.tool} {one.arguments}  {one.question}", "yellow")
        _complain(f"  /approve {one.run} {one.task}, or with no [WHY], or value JSON", "yellow")
    _complain(f"then /resume {parked.run} goes on", "yellow")


def _complain(text: str, style: str) -> None:
    Console(stderr=True).print(Text(printable(text), style=style), soft_wrap=True)


async def _do(session: Session, commands: Commands, line: str) -> None:
    if not line:
        return
    if line.startswith("/"):
        name, _, rest = line[1:].partition(" ")
        await commands.find(name).run(session, rest.strip())
    else:
        await ask(session, line)
