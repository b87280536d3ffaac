"""`/run` and `/resume`: workflows, and runs that go on where they were broken off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from agentrt.errors import UsageError
from agentrt.repl.conversation import Turn
from agentrt.repl.journal import run_called, unfinished
from agentrt.repl.looking import path_of
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from agentrt.workflows import Workflow, WorkflowResult
    from executor.journal import RunInfo


async def run(session: Session, text: str) -> None:
    """`/run FILE [NAME=VALUE…]`: runs a workflow, watched."""
    from agentrt.cli.run import read_inputs
    from agentrt.repl.commands import split
    from agentrt.trace import TerminalView
    from agentrt.workflows import Workflow, WorkflowEnded
    from agentrt.workflows.running import needs_model

    if not (words := split(text)):
        raise UsageError("name a workflow, as in /run news.yaml topic=ferries")
    workflow = Workflow.load(path_of(words[0]), tools=session.tools.values())
    values = read_inputs(workflow, None, words[1:])
    part = session.begin(f"workflow {workflow.name}")
    async with session.runtime(part, asks=needs_model(workflow)) as runtime:
        last = await session.watch(part, runtime.stream_run(workflow, **values), TerminalView(status="running"))
    show_result(session, cast(WorkflowEnded, last).result)


async def resume(session: Session, text: str) -> None:
    """`/resume [RUN]`: goes on with a run; what has ended is not done again."""
    from agentrt.answer import Answer, outcome_json
    from agentrt.trace import TerminalView, show_answer
    from agentrt.workflows import WorkflowResult
    from agentrt.workflows.running import needs_model

    info = run_called(session.journal, _of_session(session, text.strip()))
    if "workflow_step" in info.head:
        outer = info.id.partition("-")[0]
        raise UsageError(f"run {info.id} is inside a step of {outer}; go on with that one: /resume {outer}")
    part = session.begin(info.title)
    part.run_id, part.resumed = info.id, True
    asks = info.kind == "ask" or ("workflow" in info.head and needs_model(_workflow_of(info)))
    async with session.runtime(part, asks=asks and info.status != "finished") as runtime:
        with session.watching(part, TerminalView(status="running")) as see:
            found = await runtime.resume(info.id, see)
    if isinstance(found, WorkflowResult):
        show_result(session, found)
    elif isinstance(found, Answer):
        session.turns.append(Turn(info.title, found))
        show_answer(found, session.console)
    else:
        told = {name: outcome_json(end) for name, end in found.items()}
        session.say(json.dumps(told, ensure_ascii=False, indent=2, default=str))


def show_result(session: Session, result: WorkflowResult) -> None:
    """Prints what a workflow came to, and what failed."""
    from executor import plain

    for name, error in result.failures.items():
        session.say(f"step {name} failed: {error}", "red")
    output = plain(result.output)
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2, default=str)
    session.say(text, "bold")
    usage = result.usage
    spent = f" · {usage.input_tokens} + {usage.output_tokens} model tokens" if usage.model_calls else ""
    session.say(f"{len(result.plan)} steps{spent} · {result.seconds:.1f} s · run {result.run_id}", "dim")


def how_to_go_on(session: Session) -> list[str]:
    """What to type to go on with the session's last run, where it can go on."""
    last = session.runs[-1].run_id if session.runs else ""
    return [f"/resume {last} goes on with it"] if any(one.id == last for one in unfinished(session.journal)) else []


def resumable_names(session: Session, before: list[str]) -> list[str]:
    """Completes `/resume`."""
    return [] if before else [one.id for one in unfinished(session.journal)]


def input_names(session: Session, before: list[str]) -> list[str]:
    """Completes `/run`: after the file the names of its inputs that have no value yet."""
    from agentrt.workflows import InvalidWorkflow, Workflow

    if not before:
        return []
    try:
        known = Workflow.load(path_of(before[0])).inputs
    except InvalidWorkflow:
        return []
    given = {word.partition("=")[0] for word in before[1:]}
    return [f"{name}=" for name in known if name not in given]


def _of_session(session: Session, name: str) -> str:
    """The id of a run that is named by its number in this session; else the name itself."""
    return next((one.run_id for one in session.runs if name == str(one.number) and one.run_id), name)


def _workflow_of(info: RunInfo) -> Workflow:
    from agentrt.workflows import Workflow

    return Workflow.from_head(cast("dict[str, Any]", info.head["workflow"]))
