"""A small planner for a set of tools: exercises, a measurement before, training, one after, and a report.

Each step leaves a file in the run's folder; a run that was stopped goes on behind the last one:

    exercises.json   what is learnt from and measured with, and for which tools and settings
    base.json        scores of the base model
    checkpoints/     while it trains
    model/           the trained model, to be used like any model folder
    trained.json     its scores
    report.json, report.md
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio

from agentrt.errors import UsageError
from executor import Toolset
from planner.forms import PlanForm
from planner.grammar import tools_digest
from planner.training import (
    Exercise,
    as_rows,
    conversations,
    exercises,
    from_rows,
    mean,
    measure,
    paraphrased,
    verified,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from multiagent.training.port import OpenModel, Trainer

SPLITS = {"held_out_wording": "held-out wording", "held_out_compositions": "held-out compositions"}
Scores = dict[str, dict[str, list[float]]]
"""By split and form: parse rate, whole-plan match and edge F1."""


@dataclass(frozen=True, slots=True)
class TinyPlannerSettings:
    """What makes one run. Two runs with the same settings and tools have the same exercises.

    Attributes:
        base: the name of the model that is trained, for the report.
        count: exercises to learn from.
        held_out: exercises of each kind to measure with.
        most_calls: calls of a plan at most.
        turns: questions in one row of training; the tools are read once for all of them.
        epochs: over the rows.
        lora: rank of the adapters; None trains all weights.
        rate: learning rate.
        batch: rows a step.
        max_length: tokens a row; longer ones are left out.
        seed: of everything random.
        forms: how models are held to a plan's form when they are measured.
    """

    base: str
    count: int = 1_000
    held_out: int = 36
    most_calls: int = 5
    turns: int = 12
    epochs: float = 1.0
    lora: int | None = 16
    rate: float = 1e-3
    batch: int = 1
    max_length: int = 2_048
    seed: int = 0
    forms: tuple[PlanForm, ...] = ("grammar", "free")


@dataclass(slots=True)
class TinyPlanner:
    """One run.

    Args:
        folder: where its files go.
        tools: what plans may call.
        base: the checkpoint folder to start from.
        settings: what makes the run.
        open_model: opens a checkpoint as a chat model.
        trainer: trains one into another, given where to keep checkpoints on the way and whom to tell of its steps.
        paraphrase: opens a larger model to word training questions anew.
        machine: where this runs, for the report.
        versions: what it runs with, for the report.
        say: receives one line of progress at a time.
    """

    folder: Path
    tools: Toolset
    base: Path
    settings: TinyPlannerSettings
    open_model: OpenModel
    trainer: Callable[[Path, Callable[[int, int, float], None]], Trainer]
    paraphrase: Callable[[], Any] | None = None
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    say: Callable[[str], None] = print

    async def run(self) -> dict[str, Any]:
        """Does every step that is not done yet. Returns the report, as `report.json` has it.

        Raises:
            UsageError: the folder belongs to a run with other tools or settings.
            PlannerError: nothing can be made of these tools.
            TrainingError: the training failed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        made = await self._exercises()
        before = await self._measured("base", self.base, made)
        outcome = await self._trained(made["train"])
        after = await self._measured("trained", self.folder / "model", made)
        report = self._report(made, before, after, outcome)
        _write(self.folder / "report.json", report)
        (self.folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
        return report

    async def _exercises(self) -> dict[str, list[Exercise]]:
        place = self.folder / "exercises.json"
        which = {"tools": tools_digest(self.tools), "settings": json.loads(json.dumps(asdict(self.settings)))}
        if (found := _read(place)) is not None:
            if found["which"] != which:
                raise UsageError(
                    f"{self.folder} holds a run with other tools or settings; give another folder, or the same ones"
                )
            return {name: from_rows(rows) for name, rows in found["exercises"].items()}
        made = exercises(
            self.tools,
            count=self.settings.count,
            held_out=self.settings.held_out,
            seed=self.settings.seed,
            most_calls=self.settings.most_calls,
        )
        good = {name: await verified(part, self.tools) for name, part in made._asdict().items()}
        left = sum(len(part) for part in made) - sum(len(part) for part in good.values())
        told = ", ".join(f"{len(part)} {name.replace('_', ' ')}" for name, part in good.items())
        self.say(f"exercises: {told}; {left} left out, because their plans do not run")
        if self.paraphrase is not None:
            async with self.paraphrase() as larger:
                worded = await paraphrased(good["train"], larger, self.tools)
            changed = sum(item.wording == "paraphrase" for item in worded)
            self.say(f"paraphrases: {changed} of {len(worded)} questions are worded anew, the others stay")
            good["train"] = worded
        _write(place, {"which": which, "exercises": {name: as_rows(part) for name, part in good.items()}})
        return good

    async def _measured(self, which: str, checkpoint: Path, made: Mapping[str, Sequence[Exercise]]) -> Scores:
        place = self.folder / f"{which}.json"
        if (found := _read(place)) is not None:
            return cast(Scores, found)
        scores: Scores = {}
        async with self.open_model(checkpoint) as model:
            for split, shown in SPLITS.items():
                for form in self.settings.forms:
                    scores.setdefault(split, {})[form] = await self._scores(model, made[split], form)
                    self.say(f"{which}, {shown}, {form}: {_shown(scores[split][form])}")
        _write(place, scores)
        return scores

    async def _scores(self, model: BaseChatModel, asked: Sequence[Exercise], form: PlanForm) -> list[float]:
        return [*mean(await measure(model, self.tools, asked, form=form))]

    async def _trained(self, learnt: Sequence[Exercise]) -> dict[str, Any]:
        from multiagent.training.port import SftRow, TrainSettings

        place = self.folder / "outcome.json"
        if (found := _read(place)) is not None:
            return found
        own = self.settings
        rows = [SftRow(messages) for messages in conversations(learnt, self.tools, turns=own.turns)]
        self.say(f"training on {len(learnt)} exercises in {len(rows)} rows")
        settings = TrainSettings(
            lr_sft=own.rate,
            epochs=own.epochs,
            batch=own.batch,
            micro_batch=1,
            max_length=own.max_length,
            lora=own.lora,
            seed=own.seed,
        )
        kept = self.folder / "checkpoints"
        trainer = self.trainer(kept, self._on_step)

        def train() -> dict[str, Any]:
            done = trainer.sft(rows, model=self.base, output=self.folder / "model", settings=settings)
            return asdict(done)

        outcome = await anyio.to_thread.run_sync(train)
        _write(place, outcome)
        shutil.rmtree(kept, ignore_errors=True)
        return outcome

    def _on_step(self, done: int, steps: int, loss: float) -> None:
        self.say(f"step {done} of {steps}, loss {loss:.3f}")

    def _report(
        self, made: Mapping[str, Sequence[Exercise]], before: Scores, after: Scores, outcome: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "base": self.settings.base,
            "machine": self.machine,
            "versions": dict(self.versions),
            "settings": {name: value for name, value in asdict(self.settings).items() if name != "base"},
            "tools": [*self.tools],
            "exercises": {
                name: {"count": len(part), "compositions": len({item.composition for item in part})}
                for name, part in made.items()
            },
            "training": dict(outcome),
            "columns": ["parse rate", "whole plan", "edge F1"],
            "scores": {"base": before, "trained": after},
        }


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report for people."""
    made, training = report["exercises"], report["training"]
    lines = [
        f"# {report['base']} as a planner for {len(report['tools'])} tools",
        "",
        f"{report['machine']}. "
        + ", ".join(f"{name} {version}" for name, version in report["versions"].items())
        + f". Trained on {made['train']['count']} exercises over {made['train']['compositions']} compositions in "
        f"{training['seconds'] / 60:.0f} minutes ({training['steps']} steps, loss {training['first_loss']:.2f} to "
        f"{training['last_loss']:.2f}).",
        "",
        "| questions | form | model | parse | whole plan | edges F1 |",
        "|---|---|---|---|---|---|",
    ]
    for split, shown in SPLITS.items():
        count = made[split]["count"]
        for form in report["settings"]["forms"]:
            for model in ("base", "trained"):
                parsed, whole, edges = report["scores"][model][split][form]
                row = f"{round(parsed * count)}/{count} | {round(whole * count)}/{count} | {edges:.2f}"
                lines.append(f"| {shown} | {form} | {model} | {row} |")
    return "\n".join(lines) + "\n"


def _shown(scores: Sequence[float]) -> str:
    parsed, whole, edges = scores
    return f"{parsed:.0%} parse, {whole:.0%} are the right plan, edge F1 {edges:.2f}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _write(path: Path, data: object) -> None:
    """Whole or not at all: a file that is there is a step that is done."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
