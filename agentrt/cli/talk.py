"""`agentrt talk`: agents talk a question through, and one watches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.options import AsJson, Model, print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from multiagent import Conversation, ConversationResult, Protocol

PROTOCOLS = ("exchange", "debate", "feedback", "judge", "jury", "solo")


def talk(
    question: Annotated[str, typer.Argument(help="What they talk about.")],
    context: Annotated[
        list[Path] | None,
        typer.Option("--context", "-c", help="A text file that one agent alone knows. Repeatable: an agent each."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(PROTOCOLS)}.", show_default="exchange, or debate without files"),
    ] = None,
    format: Annotated[str, typer.Option(help="How messages are written: plain, compact, json, …")] = "plain",
    agents: Annotated[int, typer.Option(min=1, max=8, help="Agents, at least.")] = 2,
    max_turns: Annotated[int, typer.Option(min=1, help="Turns at most.")] = 10,
    budget: Annotated[int | None, typer.Option(min=60, help="Tokens they may write.", show_default="none")] = None,
    gloss: Annotated[bool, typer.Option("--gloss", help="Put a compact talk into words at the end.")] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Keep every turn in this file, and go on from it when it is there.")
    ] = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Let agents talk a question through. Turns are shown on stderr as they are spoken, the answer goes to stdout.

    Example: `agentrt talk "If Gallu is a demon, Lilu is what?" --context a.txt --context b.txt --format compact`
    """
    import anyio

    chosen = protocol or ("exchange" if context else "debate")
    texts = [_read(path) for path in context or []]
    setup = build(chosen, texts, format, agents, max_turns, budget)
    result = anyio.run(_hold, setup, question, model, resume)
    if as_json:
        print_json(
            {
                "answer": result.answer,
                "stop_reason": result.stop_reason,
                "tokens": result.tokens,
                "turns": [
                    {"speaker": turn.speaker, "text": turn.text, "answer": turn.answer} for turn in result.transcript
                ],
                "details": dict(result.details),
            }
        )
        return
    if gloss:
        from multiagent import gloss as in_words

        typer.echo(in_words(result.transcript, setup.format), err=True)
    typer.echo(f"[{result.stop_reason}, {result.tokens} tokens]", err=True)
    typer.echo(result.answer if result.answer is not None else "They found no answer.")


def build(protocol: str, texts: list[str], form: str, agents: int, max_turns: int, budget: int | None) -> Conversation:
    """The conversation that the options describe.

    Raises:
        UsageError: there is no such protocol or format, or too many contexts.
    """
    from agentrt.serving import held_to
    from agentrt.tools.conversation import NAMES, agents_for
    from multiagent import FORMATS, Agent, Agreement, Conversation, MaxTurns, TokenBudget

    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}; there are: {', '.join(sorted(FORMATS))}")
    if len(texts) > len(NAMES):
        raise UsageError(f"a conversation takes up to {len(NAMES)} contexts, not {len(texts)}")
    if protocol == "solo":
        taking_part = [Agent("alice", texts)]
    else:
        taking_part = agents_for(texts, Agent, least=max(agents, 4 if protocol == "jury" else 2))
    until = Agreement() | MaxTurns(max_turns)
    if budget is not None:
        until |= TokenBudget(budget)
    return Conversation(taking_part, _protocol(protocol), format=form, until=until, hold=held_to)


def _protocol(name: str) -> Protocol:
    from multiagent import Debate, FeedbackLoop, InfoExchange, Judge, Jury, Solo

    made = {"exchange": InfoExchange, "debate": Debate, "feedback": FeedbackLoop, "judge": Judge, "jury": Jury}
    if name == "solo":
        return Solo()
    if name not in made:
        raise UsageError(f"there is no protocol {name!r}; there are: {', '.join(PROTOCOLS)}")
    return made[name]()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}") from error


async def _hold(setup: Conversation, question: str, model: str | None, resume: Path | None) -> ConversationResult:
    from agentrt.runtime import DEFAULT_MODEL
    from agentrt.serving import open_model
    from agentrt.trace import ProgressBar
    from multiagent import Piece, SqliteCheckpoints, Stopped, TurnFinished, TurnStarted

    checkpoints = SqliteCheckpoints(resume) if resume is not None else None
    try:
        with ProgressBar() as bar:
            async with open_model(model or DEFAULT_MODEL, progress=bar) as speaker:
                bar.stop()
                async with setup.stream(question, model=speaker, checkpoints=checkpoints) as events:
                    async for event in events:
                        match event:
                            case TurnStarted(speaker=name):
                                typer.secho(f"{name}: ", err=True, nl=False, bold=True)
                            case Piece(text=text):
                                typer.echo(text, err=True, nl=False)
                            case TurnFinished():
                                typer.echo("", err=True)
                            case Stopped(result=result):
                                return result
    finally:
        if checkpoints is not None:
            checkpoints.close()
    raise AssertionError("a stream ends with Stopped or raises")
