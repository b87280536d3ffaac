"""`/plan`: a plan that one may change before it runs, and the answer that its results give."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from agentrt.errors import UsageError
from agentrt.repl.conversation import Turn, in_context
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from agentrt.runtime import Answered
    from executor import Plan


async def plan(session: Session, question: str) -> None:
    """Writes a plan, hands it over to be changed, runs what came back, and answers from the results."""
    from agentrt.trace import TerminalView
    from planner import as_lines

    if not question:
        raise UsageError("say what to plan for: /plan QUESTION")
    whole = in_context(question, session.turns, session.settings["context"] or 0)
    async with session.runtime() as runtime:
        with TerminalView() as view:
            written = await runtime.plan(whole, view.show)
        text = as_lines(written, runtime.tools)
    changed = await _edited(session, text)
    if changed is None:
        session.say("given up", "dim")
        return
    await _run(session, question, whole, changed)


async def _edited(session: Session, text: str) -> Plan | None:
    """The plan as a person left it; None when they gave it up. Without a person it is as it was."""
    from planner import read_plan

    tools = list(session.tools.values())
    if session.lines.interactive:
        session.say("Enter runs the plan, Alt-Enter begins a line; empty it to give it up.", "dim")
    while True:
        if session.lines.interactive:
            text = await session.lines.read("plan> ", default=text)
        if not text.strip():
            return None
        reading = read_plan(text, tools)
        for warning in reading.warnings:
            session.say(f"note: {warning}", "dim")
        if not reading.problems:
            return reading.plan
        for problem in reading.problems:
            session.say(str(problem), "red")
        if not session.lines.interactive:
            raise UsageError("the plan cannot be run as it is")


async def _run(session: Session, question: str, whole: str, plan: Plan) -> None:
    from agentrt.trace import TerminalView, show_answer

    run = session.begin(question)
    async with session.runtime(run) as runtime:
        view = TerminalView(status="running")
        last = await session.watch(run, runtime.stream(whole, plan=plan, title=question), view)
    answer = cast("Answered", last).answer
    session.turns.append(Turn(question, answer))
    show_answer(answer, session.console)
