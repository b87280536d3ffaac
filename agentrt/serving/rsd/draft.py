"""A draft for a target that has none: its own layers with the middle left out, taught by the target itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentrt.serving.rsd.distill import Recipe, Taught, Told, teach, write_texts
from agentrt.serving.rsd.errors import DistillationError
from agentrt.serving.rsd.layers import middle_skipped, parse_layers, skip_layers

REPORT = "draft.json"

TOPICS = (
    "Explain why the seasons change.",
    "Write a short note that thanks a neighbour.",
    "Give me three tips for learning a language.",
    "What does a compiler do?",
    "Describe a walk through a market.",
    "How is bread baked?",
    "Write a Python function that reverses a list.",
    "Name five rivers and where they end.",
    "Summarise what a library is for.",
    "How do I plan a small garden?",
    "Tell a story about a lost key in five sentences.",
    "Compare trains and buses.",
    "What is a prime number?",
    "Write a SQL query that counts orders by month.",
    "Explain recursion with an example.",
    "List what to pack for a hike.",
    "How do vaccines work?",
    "Write a polite reply that declines an invitation.",
    "What is the difference between weather and climate?",
    "Describe how to change a bicycle tyre.",
    "Write a JSON object that describes a book.",
    "Why do cats purr?",
    "Explain interest on a loan to a teenager.",
    "Give a recipe for lentil soup.",
)
"""What the target writes about when no prompts are given."""


def make_draft(
    target: Path,
    folder: Path,
    *,
    layers: str | None = None,
    recipe: Recipe | None = None,
    topics: Sequence[str] = TOPICS,
    device: str = "cpu",
    told: Told = lambda text, done, total: None,
) -> Taught:
    """Build and teach a draft; a call with the same arguments goes on where a stopped one was.

    Args:
        target: checkpoint folder of the target.
        folder: where the draft's checkpoint will be, with `draft.json` about how it was made.
        layers: the target's layers to keep, as `0-11,20-29`; without it the first and the last third.
        recipe: how long and how it is taught.
        topics: what the target is asked to write about.
        device: where both models live.
        told: told about progress.

    Raises:
        InvalidLayers: the layers cannot be kept.
        DistillationError: the folder holds something else, or the loss is no number.
    """
    import torch
    import transformers

    auto: Any = transformers
    recipe = recipe or Recipe()
    config = auto.AutoConfig.from_pretrained(target, local_files_only=True)
    count = int(config.num_hidden_layers)
    keep = parse_layers(layers, count) if layers else middle_skipped(count)
    work = folder.with_name(f"{folder.name}.training")
    plan = {"target": str(target), "layers": keep, "recipe": asdict(recipe), "topics": list(topics)}
    _claim(folder, work, plan)
    told("loading the target", 0, 1)
    tokenizer = auto.AutoTokenizer.from_pretrained(target, local_files_only=True)
    load: Any = auto.AutoModelForCausalLM.from_pretrained
    # The teacher is read only; the pupil learns in float32, where small steps are not rounded away.
    teacher = load(target, dtype="auto", local_files_only=True).to(device).eval()
    pupil = skip_layers(teacher, keep).to(torch.float32)
    prompts: list[list[int]] = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": topic}], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        for topic in topics
    ]
    end = frozenset({int(tokenizer.eos_token_id)} if tokenizer.eos_token_id is not None else ())
    lessons = write_texts(teacher, prompts, recipe, end, work / "texts.jsonl", told)
    taught = teach(teacher, pupil, lessons, recipe, work, told)
    told("saving", 0, 1)
    partial = work / "model"
    pupil.to(teacher.dtype).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    (partial / REPORT).write_text(json.dumps({**plan, **asdict(taught)}, indent=2), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    shutil.rmtree(work)
    return taught


def _claim(folder: Path, work: Path, plan: dict[str, Any]) -> None:
    """Make the working folder, or check that the one that is there belongs to the same plan."""
    if folder.exists() and not (folder / REPORT).is_file():
        raise DistillationError(f"{folder} is there and is no draft of ours: choose another folder")
    file = work / "plan.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != plan:
        raise DistillationError(
            f"{work} holds an unfinished draft made in another way: remove that folder, or repeat its arguments"
        )
    work.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(plan), encoding="utf-8")
