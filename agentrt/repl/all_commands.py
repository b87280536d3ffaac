"""The list of commands, in the order `/help` shows them."""

from __future__ import annotations

from agentrt.repl import allowing, asking, looking, models, parts, planning, running
from agentrt.repl.commands import Command, Commands
from agentrt.repl.options import SETTINGS
from agentrt.repl.session import Session


def all_commands() -> Commands:
    """Every command there is."""
    return Commands(
        [
            Command("help", "[COMMAND]", "This list, or one command.", _help, _names),
            Command("tools", "", "The tools that plans may call.", asking.show_tools),
            Command("load", "FILE…", "Load tools: a Python file or module, or documents.", asking.load, paths=True),
            Command("model", "[NAME]", "Show the model, or take another.", models.model, models.model_names, True),
            Command(
                "speculation",
                "[METHOD]",
                "Show or set how the model's server drafts tokens.",
                models.speculation,
                models.speculation_words,
            ),
            Command("plan", "QUESTION", "Write a plan, let you change it, then run it.", planning.plan),
            Command(
                "kg",
                "GRAPH [QUESTION]",
                "Let plans use a graph, or look into it.",
                parts.graph,
                parts.graph_names,
                True,
            ),
            Command("talk", "QUESTION", "Let two agents talk a question through.", parts.talk),
            Command(
                "run",
                "FILE [NAME=VALUE…]",
                "Run a workflow with these inputs.",
                running.run,
                running.input_names,
                True,
                "Lists and mappings are written as JSON. What it comes to is shown, and /resume goes on with it.",
            ),
            Command("runs", "", "What has run, in this session and before.", looking.runs),
            Command(
                "resume",
                "[RUN]",
                "Go on with a run; the latest that was broken off or waits.",
                running.resume,
                running.resumable_names,
                more="What has ended is not done again. A run may be named by the beginning of its id.",
            ),
            Command(
                "approve",
                "[POLICY | RUN TASK]",
                "What waits for a yes; a policy (ask, yes, wait); an answer.",
                allowing.approve,
                allowing.approve_words,
                more=allowing.MORE,
            ),
            Command(
                "budget",
                "[NAME LIMIT…]",
                "What a run may spend: calls, tokens, seconds.",
                allowing.budget,
                allowing.budget_words,
                more="/budget calls 20 seconds 60 sets limits, /budget off takes them away. A run that is resumed "
                "keeps its own unless some are set.",
            ),
            Command(
                "trace",
                "[RUN] [FILE.html]",
                "Show what a run did: here, or as a page.",
                looking.trace,
                looking.run_names,
                True,
            ),
            Command("set", "[NAME VALUE]", "Show or change limits and settings.", asking.set_value, _settings),
            Command(
                "save", "FILE", "Save the conversation: .md to read, .json with everything.", looking.save, paths=True
            ),
            Command("quit", "", "Leave. So do Ctrl-D, and Ctrl-C twice.", _quit),
        ]
    )


async def _help(session: Session, text: str) -> None:
    commands = all_commands()
    name = text.strip().removeprefix("/")
    if name:
        command = commands.find(name)
        session.say(f"/{command.name} {command.usage}".rstrip(), "bold")
        session.say(f"  {command.help}")
        if command.more:
            session.say(f"  {command.more}")
        return
    session.say("Type a question, or one of these. A name can be cut short; Tab completes.")
    for command in commands:
        head = f"/{command.name} {command.usage}".rstrip()
        gap = " " * max(1, 30 - len(head)) if session.console.width >= 80 else "\n    "
        session.say(f"{head}{gap}{command.help}")
    session.say("Alt-Enter, or a backslash before Enter, begins another line. Ctrl-C stops what runs.")


async def _quit(session: Session, _: str) -> None:
    session.leaving = True


def _names(_: Session, before: list[str]) -> list[str]:
    return [] if before else [command.name for command in all_commands()]


def _settings(_: Session, before: list[str]) -> list[str]:
    return [] if before else list(SETTINGS)
