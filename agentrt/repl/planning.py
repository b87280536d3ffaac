"""`/plan`: a plan that one may change before it runs, and the answer that its results give."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from agentrt.errors import UsageError
from agentrt.repl.conversation import Turn, in_context
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from agentrt.answer import Answer
    from agentrt.runtime import Runtime
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
    from agentrt.runtime import Answered
    from agentrt.trace import TerminalView, record, show_answer

    async with session.runtime() as runtime:
        run = session.begin(question)
        run.records.append({"event": "Run", "time": time.monotonic(), "at": time.time(), "question": question})
        with TerminalView() as view:

            def watch(event: Any) -> None:
                run.records.append(record(event))
                view.show(event)

            with run.ended():
                answer = await _answer(runtime, whole, plan, watch)
                watch(Answered(time.monotonic(), answer))
    run.run_id = answer.run_id
    session.turns.append(Turn(question, answer))
    show_answer(answer, session.console)


async def _answer(runtime: Runtime, question: str, plan: Plan, watch: Callable[[Any], None]) -> Answer:
    """Runs `plan` as it is, without another one after it, and lets the model answer from its results."""
    import uuid

    from agentrt.answer import Answer, Timings, evidence_of
    from executor import Executor
    from planner import Finish, Joiner, Round

    began = time.monotonic()
    outcomes = await Executor(runtime.tools, observe=watch, concurrency=runtime.concurrency).run(plan)
    ran = time.monotonic()
    joiner = Joiner(runtime.model, runtime.tools, reason_first=True, observe=watch)
    decision, usage = await joiner.join(question, [Round(plan, outcomes)], final=True)
    ended = time.monotonic()
    calls = sum(getattr(end, "ended", 0.0) - getattr(end, "started", 0.0) for end in outcomes.values())
    finish = cast("Finish", decision)  # the last decision there is to be
    return Answer(
        text=finish.answer,
        plan=plan,
        results=outcomes,
        run_id=uuid.uuid4().hex[:12],
        evidence=evidence_of(plan, outcomes, finish.tasks),
        usage=usage,
        timings=Timings(ended - began, 0.0 if len(plan) else None, 0.0, calls, ended - ran),
    )
