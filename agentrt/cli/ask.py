"""`agentrt ask`: a question in, an answer with its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.options import AsJson, Concurrency, MaxReplans, Model, Tools, load, print_json
from agentrt.cli.watched import Watch, Watched, Yes, options_given

if TYPE_CHECKING:
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
    yes: Yes = False,
    watch: Watch = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question by planning tool calls and running them side by side.

    The plan and the tasks are shown on stderr while they happen; the answer goes to stdout.

    Example: `agentrt ask "Which is older, Heat or Alien?" --tools films.jsonl`
    """
    import anyio
    from rich.console import Console

    from agentrt.trace import show_answer

    watched = Watched(
        question,
        again="runs resume",
        journal=journal,
        options=options_given(tools=tools, model=model),
        status="thinking of a plan",
        yes=yes,
        watch=watch,
        written=events,
    )
    with watched.stopping():
        answer = anyio.run(_ask, question, model, tools, max_replans, concurrency, journal, examples, watched)
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
    journal: Path | None,
    examples: Path | None,
    watched: Watched,
) -> Answer:
    from agentrt.serving.ahead import starting
    from agentrt.serving.catalogue import DEFAULT_MODEL

    # The server needs half a minute: it begins before the imports and the tools.
    async with starting(model or DEFAULT_MODEL):
        from agentrt.runtime import Answered, Runtime
        from agentrt.trace import ProgressBar

        chosen = load(tools)
        bar = ProgressBar()
        runtime = Runtime(
            model or DEFAULT_MODEL,
            chosen,
            max_replans=max_replans,
            concurrency=concurrency,
            journal=journal,
            approvals=watched.approvals,
            begun=watched.begun,
            examples=examples,
            progress=bar,
        )
        with bar:
            async with runtime:
                bar.stop()
                # The run begins here: the opening of the model is no part of it.
                last = await watched.last(runtime.stream(question))
        assert isinstance(last, Answered)
        return last.answer
