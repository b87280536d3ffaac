"""`agentrt optima`: trains a model to talk in fewer tokens, step by step or all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agentrt.cli.options import AsJson, print_json
from agentrt.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from langchain_core.language_models import BaseChatModel

    from multiagent.training import ModelAt, OptimaRun, PairSelector, Recipe
    from multiagent.trajectories import Pair

app = typer.Typer(
    no_args_is_help=True,
    help="Train a model to talk in fewer tokens: collect, rank, select, train, eval; or `loop` for all of them.",
)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run; made by the first step.")]
Tasks = Annotated[Path, typer.Option("--tasks", help="JSON list of tasks to practise on.")]
HeldOut = Annotated[
    Path | None, typer.Option("--held-out", help="Tasks to evaluate on.", show_default="the last fifth of --tasks")
]
Base = Annotated[str, typer.Option("--model", "-m", help="A checkpoint folder or a name from `agentrt model list`.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="isft, idpo or isft-dpo.")]
Family = Annotated[str, typer.Option(help="Whose reward weights: hotpot, trivia, math, gsm8k, arc, mmlu, …")]
Iterations = Annotated[int | None, typer.Option(min=1, help="Iterations.", show_default="the recipe's")]
Samples = Annotated[int | None, typer.Option(min=1, help="Dialogues a task.", show_default="8")]
Limit = Annotated[int | None, typer.Option(min=2, help="Only the first so many tasks.", show_default="all")]
Lora = Annotated[int, typer.Option(min=0, help="Rank of the adapters; 0 trains all weights.")]
Loss = Annotated[str, typer.Option(help="Preference loss: dpo or simpo.")]
Batch = Annotated[int, typer.Option(min=1, help="Rows an optimiser step.")]
RateSft = Annotated[float | None, typer.Option(min=0, help="Of supervised steps.", show_default="the paper's")]
RateDpo = Annotated[float | None, typer.Option(min=0, help="Of preference steps.", show_default="the paper's")]
Epochs = Annotated[float, typer.Option(min=0.01, help="Over the rows or pairs of a step.")]
Rollouts = Annotated[int, typer.Option(min=1, help="Dialogues from each expanded turn of a tree.")]
Expansions = Annotated[int, typer.Option(min=1, help="Turns of a tree that are expanded.")]
Threshold = Annotated[
    float | None, typer.Option(help="Least reward of a dialogue to train on.", show_default="the paper's")
]
Least = Annotated[float, typer.Option(help="The better turn of a pair is worth more than this.")]
Gap = Annotated[float, typer.Option(help="And more than the worse one by this.")]
MaxTurns = Annotated[int, typer.Option(min=1, help="Turns of a conversation at most.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="Tokens of a message at most.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Conversations at once.")]
Temperature = Annotated[float, typer.Option(min=0, help="Of all messages; small models need it low.")]
Formats = Annotated[
    str | None,
    typer.Option(help="Formats of the first dialogues, with commas.", show_default="plain, three short ones"),
]
LeastTokens = Annotated[int, typer.Option(min=1, help="A conversation shorter than this pays the whole token term.")]
Selector = Annotated[str, typer.Option(help="Which pairs are kept: random, q or influence.")]
TokenTerm = Annotated[bool, typer.Option(help="Reward few tokens.")]
ReadabilityTerm = Annotated[bool, typer.Option(help="Reward what the base model finds readable.")]
Ches = Annotated[bool, typer.Option("--ches", help="Leave out the pairs that most displace likelihood.")]
MorePairs = Annotated[Path | None, typer.Option("--pairs", help="Preference pairs of the planner, as JSON lines.")]
Step = Literal["collect", "rank", "select", "train", "eval"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that all commands share: together they describe one run."""

    held_out: Path | None
    model: str
    recipe: str
    family: str
    iterations: int | None
    samples: int | None
    limit: int | None
    lora: int
    loss: str
    batch: int
    lr_sft: float | None
    lr_preference: float | None
    epochs: float
    rollouts: int
    expansions: int
    threshold: float | None
    least: float
    gap: float
    max_turns: int
    max_tokens: int
    least_tokens: int
    concurrency: int
    temperature: float
    formats: str | None
    selector: str
    token_term: bool
    readability_term: bool
    ches: bool
    pairs: Path | None


def _command(step: Step | None) -> Callable[..., None]:
    """One command of the group; all take the same options, for together they describe one run."""

    def run(
        folder: Folder,
        tasks: Tasks,
        held_out: HeldOut = None,
        model: Base = "qwen2.5-coder-0.5b",
        recipe: RecipeName = "isft",
        family: Family = "hotpot",
        iterations: Iterations = None,
        samples: Samples = None,
        limit: Limit = None,
        lora: Lora = 8,
        loss: Loss = "dpo",
        batch: Batch = 64,
        lr_sft: RateSft = None,
        lr_preference: RateDpo = None,
        epochs: Epochs = 1.0,
        rollouts: Rollouts = 3,
        expansions: Expansions = 8,
        threshold: Threshold = None,
        least: Least = 0.4,
        gap: Gap = 0.2,
        max_turns: MaxTurns = 10,
        max_tokens: MaxTokens = 192,
        least_tokens: LeastTokens = 40,
        concurrency: Concurrency = 8,
        temperature: Temperature = 0.8,
        formats: Formats = None,
        selector: Selector = "random",
        token_term: TokenTerm = True,
        readability_term: ReadabilityTerm = True,
        ches: Ches = False,
        pairs: MorePairs = None,
        as_json: AsJson = False,
    ) -> None:
        import anyio

        options = Options(
            held_out, model, recipe, family, iterations, samples, limit, lora, loss, batch, lr_sft,
            lr_preference, epochs, rollouts, expansions, threshold, least, gap, max_turns, max_tokens, least_tokens,
            concurrency, temperature, formats, selector, token_term, readability_term, ches, pairs,
        )  # fmt: skip
        anyio.run(_run, folder, tasks, step, options, as_json)

    run.__doc__ = f"{_HELP[step]}\n\nExample: `agentrt optima {step or 'loop'} runs/first --tasks tasks.json`"
    return run


_HELP: dict[Step | None, str] = {
    "collect": "Generate dialogues, or trees of turns, with the current model.",
    "rank": "Rate what was collected.",
    "select": "Choose what to train on.",
    "train": "Train the next model.",
    "eval": "Evaluate the newest model on the held-out tasks; first of all, the untrained one.",
    None: "Do every step that is not done yet, and write the report. A run that was stopped goes on.",
}

for _step in _HELP:
    app.command(_step or "loop")(_command(_step))


@app.command("export")
def export(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines: every trajectory with its rating.")],
    redact: Annotated[bool, typer.Option(help="Take out keys, addresses and telephone numbers.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write what a run has collected as JSON lines.

    Example: `agentrt optima export runs/first trajectories.jsonl`
    """
    from multiagent.redaction import Redaction
    from multiagent.training.workspace import Workspace
    from multiagent.trajectories import TrajectoryStore

    place = Workspace(folder).store_path
    if not place.is_file():
        raise UsageError(f"{folder} is no run: it has no {place.name}")
    store = TrajectoryStore(place)
    try:
        count = store.export(file, Redaction() if redact else None)
    finally:
        store.close()
    if as_json:
        print_json({"trajectories": count, "file": str(file)})
    else:
        typer.echo(f"{count} trajectories: {file}")


async def _run(folder: Path, tasks: Path, step: Step | None, options: Options, as_json: bool) -> None:
    run = await make_run(folder, tasks, options)
    try:
        if step is None:
            report = await run.run()
            came_to: dict[str, Any] = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
        else:
            iteration = next_iteration(run, step)
            came_to = {"iteration": iteration, "step": step, **await run.step(step, iteration)}
            report = run.report()
        if as_json:
            print_json({**came_to, "report": str(report)})
            return
        if step is not None:
            told = ", ".join(f"{key} {_shown(value)}" for key, value in came_to.items() if key != "samples")
            typer.echo(told)
        typer.echo(f"report: {report}")
    finally:
        run.close()


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    """Progress goes to stderr, so that stdout holds results alone."""
    typer.echo(line, err=True)


async def make_run(folder: Path, tasks: Path, options: Options) -> OptimaRun:
    """The run that the options describe.

    Raises:
        UsageError: an option means nothing.
        TrainingError: the tasks cannot be read, or the folder belongs to another run.
    """
    from agentrt.training import TorchReadability, TrlTrainer, ches_scores, machine_name
    from multiagent import Agreement, Reward
    from multiagent import MaxTurns as TurnsAtMost
    from multiagent.training import OptimaRun, Setting, read_tasks, without_displacement
    from multiagent.trajectories import read_pairs

    practised = read_tasks(tasks, limit=options.limit)
    if options.held_out is not None:
        held_out = read_tasks(options.held_out)
    else:
        cut = max(1, len(practised) // 5)
        practised, held_out = practised[:-cut], practised[-cut:]
    if not practised:
        raise UsageError(f"{tasks.name} holds too few tasks to train on and keep some back; give --held-out")
    recipe = _recipe(options)
    base = await checkpoint_of(options.model)

    def drop(model: ModelAt, found: Sequence[Pair]) -> Sequence[Pair]:
        return without_displacement(found, ches_scores(found, model))

    return OptimaRun(
        folder=folder,
        recipe=recipe,
        tasks=practised,
        held_out=held_out,
        setting=Setting(
            sampling={"temperature": options.temperature},
            until=Agreement() | TurnsAtMost(options.max_turns),
            max_tokens=options.max_tokens,
        ),
        base=base,
        open_model=_open,
        trainer=TrlTrainer(),
        readability=TorchReadability(base) if options.readability_term else None,
        selector=_selector(options.selector),
        reward=Reward(least_tokens=options.least_tokens),
        more_pairs=read_pairs(options.pairs, source="planner") if options.pairs is not None else (),
        drop_pairs=drop if options.ches else None,
        machine=machine_name(),
        say=_say,
    )


def _recipe(options: Options) -> Recipe:
    """The paper's recipe with what the options change."""
    from multiagent.training import PairRules, recipe_named

    if options.loss not in ("dpo", "simpo"):
        raise UsageError(f"--loss is dpo or simpo, not {options.loss!r}")
    recipe = recipe_named(options.recipe, family=options.family)
    steps = recipe.steps
    if options.iterations is not None:
        steps = (steps * options.iterations)[: options.iterations]
    weights, weights_dpo = recipe.weights, recipe.weights_dpo
    if not options.token_term:
        weights, weights_dpo = replace(weights, tokens=0.0), replace(weights_dpo, tokens=0.0)
    if options.threshold is not None:
        weights = replace(weights, threshold=options.threshold)
    return replace(
        recipe,
        steps=steps,
        samples=options.samples or recipe.samples,
        concurrency=options.concurrency,
        pool=recipe.pool if options.formats is None else _pool(options.formats),
        weights=weights,
        weights_dpo=weights_dpo,
        tree=replace(recipe.tree, rollouts=options.rollouts, expansions=options.expansions),
        pairs=PairRules(options.least, options.gap, recipe.pairs.keep),
        train=replace(
            recipe.train,
            lora=options.lora or None,
            loss="simpo" if options.loss == "simpo" else "dpo",
            batch=options.batch,
            epochs=options.epochs,
            lr_sft=recipe.train.lr_sft if options.lr_sft is None else options.lr_sft,
            lr_preference=recipe.train.lr_preference if options.lr_preference is None else options.lr_preference,
        ),
    )


def _pool(names: str) -> tuple[str, ...]:
    """The formats that `--formats` names."""
    from multiagent import FORMATS

    pool = tuple(name.strip() for name in names.split(","))
    if unknown := [name for name in pool if name not in FORMATS]:
        raise UsageError(f"--formats knows no {unknown[0]!r}; there are: {', '.join(FORMATS)}")
    return pool


async def checkpoint_of(model: str, *, option: str = "--model") -> Path:
    """The checkpoint folder of a model: the folder itself, or a catalogue model converted for training.

    Raises:
        UsageError: `option` names neither.
    """
    import anyio

    from agentrt.serving import CATALOGUE, lookup
    from agentrt.serving.convert import convert

    if model.strip().lower() in CATALOGUE:
        return await convert(lookup(model), "bf16")
    folder = anyio.Path(model)
    if not await (folder / "config.json").is_file():
        raise UsageError(f"{option} {model} is neither a checkpoint folder nor one of {', '.join(CATALOGUE)}")
    return Path(model)


def next_iteration(run: OptimaRun, step: Step) -> int:
    """The first iteration that lacks a step; the last one where none does."""
    first = 0 if step == "eval" else 1
    last = len(run.recipe.steps)
    return next((number for number in range(first, last + 1) if run.place.done(step, number) is None), last)


def _open(model: ModelAt) -> AbstractAsyncContextManager[BaseChatModel]:
    from agentrt.serving import Off, ServerSettings, open_model
    from agentrt.serving.probe import default_device

    # Many conversations at once: drafting would cost throughput.
    return open_model(Path(model), settings=ServerSettings(device=default_device(), speculation=Off()))


def _selector(name: str) -> PairSelector:
    from agentrt.training import mutual_influence
    from multiagent.training import AtRandom, ByInfluence, ByValue

    known: dict[str, PairSelector] = {
        "random": AtRandom(),
        "q": ByValue(),
        "influence": ByInfluence(mutual_influence),
    }
    if name not in known:
        raise UsageError(f"--selector is one of {', '.join(known)}, not {name!r}")
    return known[name]
