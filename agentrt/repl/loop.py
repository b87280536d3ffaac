"""The loop: read a line, do what it says, say what went wrong, go on."""

from __future__ import annotations

import signal
import sys
import traceback

import anyio
from rich.console import Console

from agentrt.cli.failures import explain
from agentrt.repl.all_commands import all_commands
from agentrt.repl.asking import ask
from agentrt.repl.commands import Commands, completer
from agentrt.repl.interrupts import Interrupted, Interrupts
from agentrt.repl.lines import line_source
from agentrt.repl.options import ReplOptions
from agentrt.repl.screen import kept_screen
from agentrt.repl.session import Session

_PROMPT = "agentrt> "


async def run_repl(options: ReplOptions) -> int:
    """Reads and does until the input ends or the user leaves; the exit status.

    0 for a session at a terminal; with lines from a pipe 1 when one of them failed. 128 and the signal's number when
    a signal ended it. Everything that was opened is closed, and the terminal is as it was.
    """
    interrupts = Interrupts()
    interactive = failed = False
    with kept_screen():
        async with anyio.create_task_group() as group:
            await group.start(interrupts.watch, group.cancel_scope)
            session = Session(group, options, interrupts, Console())
            commands = all_commands()
            session.lines = line_source(interrupts, completer(commands, session), options.history, session.status)
            interactive = session.lines.interactive
            if interactive:
                session.say(f"{session.model.name}. Ask something, or /help.", "dim")
            try:
                failed = await _loop(session, commands)
            finally:
                group.cancel_scope.cancel()
    if interrupts.ended_by is not None:
        return 128 + interrupts.ended_by
    return 1 if failed and not interactive else 0


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
            session.say("stopped", "yellow")
            failed = True
            if not session.lines.interactive:
                session.interrupts.end(signal.SIGINT)
                await anyio.lowlevel.checkpoint()
        except Exception as error:  # one line's failure must not end the session
            failed = True
            if "--debug" in sys.argv:
                traceback.print_exception(error)
            Console(stderr=True).print(explain(error), style="red", markup=False, highlight=False, soft_wrap=True)
    return failed


async def _do(session: Session, commands: Commands, line: str) -> None:
    if not line:
        return
    if line.startswith("/"):
        name, _, rest = line[1:].partition(" ")
        await commands.find(name).run(session, rest.strip())
    else:
        await ask(session, line)
