"""`agentrt model draft`: makes a small draft model for a target that has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentrt.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from agentrt.serving.rsd.distill import Told


def draft(
    target: Annotated[str, typer.Argument(help="A name from `agentrt model list`, or a checkpoint folder.")],
    from_layers: Annotated[
        str | None,
        typer.Option(help="The target's layers to keep, such as 0-11,20-29.", show_default="first and last third"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 200,
    texts: Annotated[int, typer.Option(min=2, help="Texts the target writes to learn from.")] = 64,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a text may have.")] = 96,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the draft.", show_default="beside the target")
    ] = None,
    json: AsJson = False,
) -> None:
    """Build a draft by leaving out middle layers, and teach it on text the target writes.

    A run that was stopped goes on when it is started again with the same arguments.
    """
    from agentrt.serving.probe import default_device
    from agentrt.serving.rsd.distill import Recipe
    from agentrt.serving.rsd.draft import make_draft

    source = _folder_of(target)
    folder = output or source.with_name(f"{source.name}-draft")
    recipe = Recipe(steps=steps, texts=texts, tokens=tokens)
    with _Shown() as told:
        taught = make_draft(source, folder, layers=from_layers, recipe=recipe, device=default_device(), told=told)
    if json:
        from dataclasses import asdict

        print_json({"folder": str(folder), **asdict(taught)})
        return
    typer.echo(f"overlap with the target: {taught.before:.3f} before, {taught.after:.3f} after {taught.steps} steps")
    typer.echo(str(folder))


def _folder_of(target: str) -> Path:
    import anyio

    from agentrt.serving.catalogue import CATALOGUE, lookup
    from agentrt.serving.convert import convert

    path = Path(target).expanduser()
    if target not in CATALOGUE and (path / "config.json").is_file():
        return path.absolute()
    return anyio.run(convert, lookup(target), "bf16")


class _Shown:
    """A progress bar on standard error."""

    def __enter__(self) -> Told:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._bar.start()
        task = self._bar.add_task("", total=None)

        def told(text: str, done: int, total: int) -> None:
            self._bar.update(task, description=text, completed=done, total=total)

        return told

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
