"""The terms of the reward and the selectors of pairs, each left out or exchanged, on a random model of 30,000 weights.

    python -m benchmarks.optima.ablation [--quick] [--check] [--json FILE]

Two agents learn which words are wanted. The model knows no language, so this shows that each part does what it says
(without the token term talks get longer, …), not what it is worth on a real model.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import anyio

from agentrt.training import TorchReadability, TrlTrainer, mutual_influence
from agentrt.training.testing import make_tiny_llama, open_tiny
from benchmarks.report import Report, arguments
from multiagent import Format, MaxTurns, Reward, Weights
from multiagent.formats import Item
from multiagent.training import (
    AtRandom,
    ByInfluence,
    ByValue,
    OptimaRun,
    PairRules,
    PairSelector,
    Recipe,
    Setting,
    Task,
    TrainSettings,
    TreeSettings,
)

WORD = Format("words", "Write the word.", lambda text: [Item("answers", text)] if text else [])
TASKS = [Task(f"t{n}", f"w{n}", (f"w{n % 3} w5",), {"alice": (), "bob": ()}) for n in range(6)]
HELD_OUT = [replace(TASKS[n % len(TASKS)], id=f"h{n}") for n in range(48)]
TRAIN = TrainSettings(
    lr_sft=1e-2, lr_preference=1e-2, batch=4, micro_batch=4, epochs=6, max_length=256, device="cpu", beta=0.5
)
SFT = Recipe("sft", ("sft",) * 3, samples=12, keep=1.0, weights=Weights(0.6, 0.5, -9.0), pool=(), train=TRAIN)
DPO = replace(
    SFT,
    steps=("dpo",) * 2,
    tree=TreeSettings(expansions=3, rollouts=6),
    weights_dpo=Weights(0.6, 0.5),
    pairs=PairRules(least=-9.0, gap=0.05, keep=0.5),
)


@dataclass(frozen=True)
class Variant:
    """What one run is made with."""

    recipe: Recipe
    readability: bool = True
    selector: PairSelector = field(default_factory=AtRandom)


VARIANTS: Mapping[str, Variant] = {
    "sft": Variant(SFT),
    "sft, no token term": Variant(replace(SFT, weights=replace(SFT.weights, tokens=0.0))),
    "sft, no readability term": Variant(SFT, readability=False),
    "dpo, pairs at random": Variant(DPO),
    "dpo, pairs by q": Variant(DPO, selector=ByValue()),
    "dpo, pairs by influence": Variant(DPO, selector=ByInfluence(mutual_influence)),
}


def main() -> int:
    """Runs every variant with several seeds."""
    import torch

    options = arguments(__doc__)
    torch.set_num_threads(1)  # more of them cost a model this small more than they give
    seeds = range(1) if options.quick else range(3)
    variants = dict(list(VARIANTS.items())[:2]) if options.quick else VARIANTS
    report = Report("optima ablation", packages=["torch", "transformers", "trl", "peft"], quick=options.quick)
    ends = {name: [anyio.run(_run, variant, seed) for seed in seeds] for name, variant in variants.items()}
    report.table(
        "before and after",
        ["variant", "seeds", "F1 before", "F1 after", "tokens before", "tokens after"],
        [
            [name, len(found), *(mean(run[key][at] for run in found) for key in ("task", "tokens") for at in (0, -1))]
            for name, found in ends.items()
        ],
    )
    for name, found in ends.items():
        gained = mean(run["task"][-1] - run["task"][0] for run in found)
        report.add(f"{name}: F1 gained", gained, target=0.0, better="higher")
    saved = mean(run["tokens"][-1] for run in ends["sft"]) / mean(
        run["tokens"][-1] for run in ends["sft, no token term"]
    )
    report.add("tokens with the token term / without", saved, target=1.0)
    report.note("A random model that knows no language: the parts do what they say; what they are worth is not shown.")
    return report.finish(options)


async def _run(variant: Variant, seed: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as place:
        base = make_tiny_llama(Path(place) / "base", seed)
        run = OptimaRun(
            Path(place) / "run",
            replace(variant.recipe, seed=seed),
            TASKS,
            HELD_OUT,
            Setting(format=WORD, until=MaxTurns(2 if variant.recipe.steps[0] == "sft" else 4), max_tokens=4),
            base,
            open_tiny,
            TrlTrainer(),
            readability=TorchReadability(base, device="cpu") if variant.readability else None,
            selector=variant.selector,
            reward=Reward(least_tokens=1),
            say=lambda _: None,
        )
        try:
            await run.run()
        finally:
            run.close()
        iterations = json.loads((Path(place) / "run/report.json").read_text())["iterations"]
    return {key: [one[key] for one in iterations] for key in ("reward", "task", "tokens")}


if __name__ == "__main__":
    sys.exit(main())
