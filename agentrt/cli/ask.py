"""`agentrt ask`: a question in, an answer with its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.options import AsJson, Concurrency, MaxReplans, Model, Tools, load, print_json

if TYPE_CHECKING:
    from typing import TextIO

    from agentrt.answer import Answer


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    model: Model = None,
    tools: Tools = None,
    max_replans: MaxReplans = 2,
    concurrency: Concurrency = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every event to this file, for `agentrt trace FILE`.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the run down there, for `agentrt runs`.", envvar="AGENTRT_JOURNAL"),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Show the model plans from there that went well, and add those that do."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question by planning tool calls and running them side by side.

    The plan and the tasks are shown on stderr while they happen; the answer goes to stdout.

    Example: `agentrt ask "Which is older, Heat or Alien?" --tools films.jsonl`
    """
    import anyio
    from rich.console import Console

    from agentrt.trace import show_answer

    answer = anyio.run(_ask, question, model, tools, max_replans, concurrency, events, journal, examples)
    if as_json:
        print_json(answer.to_json())
    else:
        show_answer(answer, Console())


async def _ask(
    question: str,
    model: str | None,
    tools: list[str] | None,
    max_replans: int,
    concurrency: int | None,
    written: Path | None,
    journal: Path | None,
    examples: Path | None,
) -> Answer:
    from contextlib import ExitStack, aclosing

    from agentrt.runtime import DEFAULT_MODEL, Answered, Runtime
    from agentrt.trace import EventWriter, ProgressBar, TerminalView

    chosen = load(tools)
    bar = ProgressBar()
    runtime = Runtime(
        model or DEFAULT_MODEL,
        chosen,
        max_replans=max_replans,
        concurrency=concurrency,
        journal=journal,
        examples=examples,
        progress=bar,
    )
    with ExitStack() as files, bar:
        file = files.enter_context(_opened(written)) if written else None
        async with runtime, aclosing(runtime.stream(question)) as events:
            bar.stop()
            # The run begins here: the opening of the model is no part of it.
            writer = EventWriter(file, question=question) if file is not None else None
            with TerminalView() as view:
                async for event in events:
                    if writer is not None:
                        writer.write(event)
                    if isinstance(event, Answered):
                        return event.answer
                    view.show(event)
    raise AssertionError("a stream ends with Answered or raises")


def _opened(path: Path) -> TextIO:
    from agentrt.errors import UsageError

    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
