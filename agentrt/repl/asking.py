"""Questions, and commands that show what they led to."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from agentrt.errors import UsageError
from agentrt.repl.conversation import Turn, in_context
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from agentrt.runtime import Answered
    from executor import Tool


async def ask(session: Session, question: str) -> None:
    """Answers a question, watched; the answer becomes part of the conversation."""
    from agentrt.trace import TerminalView, show_answer

    whole = in_context(question, session.turns, session.settings["context"] or 0)
    run = session.begin(question)
    async with session.runtime(run) as runtime:
        last = await session.watch(run, runtime.stream(whole, title=question), TerminalView())
    answer = cast("Answered", last).answer
    session.turns.append(Turn(question, answer))
    show_answer(answer, session.console)


async def show_tools(session: Session, _: str) -> None:
    """`/tools`."""
    if not session.tools:
        session.say("There are no tools; /load FILE brings some.")
    for tool in session.tools.values():
        session.say(f"{_signature(tool)}  [{tool.effect}]", "bold")
        if tool.description:
            session.say(f"    {tool.description.strip().splitlines()[0]}", "dim")


async def load(session: Session, text: str) -> None:
    """`/load`."""
    from agentrt.repl.commands import split
    from agentrt.tools import load_tools

    if not (specs := split(text)):
        raise UsageError("say what to load: a Python file or module with tools, or documents (/load notes/)")
    for spec in specs:
        added = session.add_tools(load_tools(spec))
        session.say(f"loaded {', '.join(tool.name for tool in added)} from {spec}")


async def set_value(session: Session, text: str) -> None:
    """`/set`."""
    from agentrt.repl.commands import split
    from agentrt.repl.options import SETTINGS, read_setting

    match split(text.replace("=", " ")):
        case []:
            for name, value in session.settings.items():
                session.say(f"{name:16} {'off' if value is None else value:<8} {SETTINGS[name].meaning}")
        case [name, value]:
            session.settings[name] = read_setting(name, value)
            session.say(f"{name} = {value}")
        case _:
            raise UsageError("write /set NAME VALUE, as in /set max_replans 1; /set alone shows all of them")


def _signature(tool: Tool) -> str:
    parameters = ", ".join(
        f"{parameter.name}{'' if parameter.required else '?'}" for parameter in tool.signature.parameters
    )
    return f"{tool.name}({parameters})"
