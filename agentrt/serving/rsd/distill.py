"""Teaching a draft its target's distribution, on text that the target wrote itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agentrt.serving.rsd.engine import Engine
from agentrt.serving.rsd.errors import DistillationError
from agentrt.serving.rsd.request import Request, Sampling

Told = Callable[[str, int, int], None]
"""Told what is done, how far it is, and how far it goes."""

HELD_OUT = 8
"""One text in so many is never trained on: the overlap is measured there."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a draft is taught.

    Attributes:
        steps: optimiser steps.
        texts: texts the target writes, held-out ones included.
        tokens: tokens a text may have.
        batch: texts a step.
        rate: AdamW's learning rate, warmed up over a tenth of the steps and then lowered in a straight line.
        seed: of the texts and their order.
        save_every: steps between checkpoints.
    """

    steps: int = 200
    texts: int = 64
    tokens: int = 96
    batch: int = 4
    rate: float = 2e-4
    seed: int = 0
    save_every: int = 25

    def __post_init__(self) -> None:
        if min(self.steps, self.tokens, self.batch, self.save_every) < 1 or self.texts < 2 or not self.rate > 0:
            raise DistillationError(
                f"{self}: steps, tokens, batch and save_every must be at least 1, texts at least 2, the rate positive"
            )


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text of the target: token ids, and how many of them are the prompt."""

    tokens: list[int]
    prompt: int


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of it.

    Attributes:
        before: overlap of draft and target, the sum of min(p, q), before; mean over tokens of held-out texts. It is
            the chance that one draft token is accepted.
        after: the same afterwards.
        steps: steps that were run, over all attempts.
        loss: mean of KL(p || q) over the last tenth of the steps, in nats; None if there were none.
    """

    before: float
    after: float
    steps: int
    loss: float | None


def write_texts(
    target: Any, prompts: Sequence[Sequence[int]], recipe: Recipe, end: frozenset[int], file: Path, told: Told
) -> list[Lesson]:
    """Texts that the target writes at temperature 1, kept in `file` line by line and read from there when it is back.

    Raises:
        DistillationError: there are no prompts.
    """
    if not prompts:
        raise DistillationError("there is no prompt for the target to write from: give at least one")
    found = [Lesson(**json.loads(line)) for line in _whole_lines(file)][: recipe.texts]
    engine = Engine(target, None, max_batch=8, max_length=max(map(len, prompts)) + recipe.tokens)
    while len(found) < recipe.texts:
        told("the target writes", len(found), recipe.texts)
        numbers = range(len(found), min(len(found) + 8, recipe.texts))
        asked = [prompts[number % len(prompts)] for number in numbers]
        sampling = [Sampling(max_tokens=recipe.tokens, seed=recipe.seed + number) for number in numbers]
        done = engine.generate([Request(p, s, end) for p, s in zip(asked, sampling, strict=True)])
        new = [Lesson([*p, *answer.tokens], len(p)) for p, answer in zip(asked, done, strict=True)]
        with file.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(asdict(lesson)) + "\n" for lesson in new)
        found += new
    engine.close()
    told("the target writes", recipe.texts, recipe.texts)
    return found


def teach(target: Any, draft: Any, lessons: Sequence[Lesson], recipe: Recipe, folder: Path, told: Told) -> Taught:
    """Lower KL(p || q) over the target's texts; embeddings and output layer stay the target's.

    A checkpoint in `folder` is gone on from, so a run that was stopped loses `save_every` steps at most.

    Raises:
        DistillationError: the loss is no number any more; the last checkpoint is as it was.
    """
    held = list(lessons[::HELD_OUT])
    seen = [lesson for i, lesson in enumerate(lessons) if i % HELD_OUT]
    shared = {id(p) for m in (draft.get_input_embeddings(), draft.get_output_embeddings()) for p in m.parameters()}
    weights = [p for p in draft.parameters() if id(p) not in shared]
    for parameter in draft.parameters():
        parameter.requires_grad_(id(parameter) not in shared)
    optimiser: Any = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=0.0)
    file = folder / "checkpoint.pt"
    step, before, losses = 0, float("nan"), list[float]()
    if file.exists():
        state: dict[str, Any] = torch.load(file, map_location=draft.device, weights_only=True)
        draft.load_state_dict(state["draft"])
        optimiser.load_state_dict(state["optimiser"])
        step, before, losses = int(state["step"]), float(state["before"]), list(state["losses"])
    else:
        told("measuring the overlap", 0, 1)
        before = overlap(target, draft, held)
    while step < recipe.steps:
        rng = np.random.default_rng([recipe.seed, step])
        order: list[int] = rng.permutation(len(seen)).tolist()
        batch = [seen[i] for i in order[: recipe.batch]]
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min((step + 1) / max(recipe.steps / 10, 1), 1.0) * (1 - step / recipe.steps)
        draft.train()
        loss: Any = divergence(target, draft, batch)
        if not torch.isfinite(loss):
            raise DistillationError(
                f"the loss is {float(loss.detach())} at step {step}: choose a lower rate and run it again"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        step += 1
        told(f"learning (KL {losses[-1]:.3f})", step, recipe.steps)
        if step % recipe.save_every == 0 or step == recipe.steps:
            state = {"draft": draft.state_dict(), "optimiser": optimiser.state_dict()}
            _replace(file, {**state, "step": step, "before": before, "losses": losses})
    draft.eval()
    told("measuring the overlap", 0, 1)
    last = losses[-max(len(losses) // 10, 1) :]
    return Taught(before, overlap(target, draft, held), step, sum(last) / len(last) if last else None)


def divergence(target: Any, draft: Any, lessons: Sequence[Lesson]) -> torch.Tensor:
    """KL(p || q) in nats, mean over the tokens that the target wrote."""
    (p, q), written = _log_probabilities(target, draft, lessons)
    return (p.exp() * (p - q)).sum(-1)[written].mean()


@torch.no_grad()
def overlap(target: Any, draft: Any, lessons: Sequence[Lesson]) -> float:
    """The sum of min(p, q), mean over the tokens that the target wrote."""
    draft.eval()
    total, count = 0.0, 0
    for lesson in lessons:
        (p, q), written = _log_probabilities(target, draft, [lesson])
        total += float(torch.minimum(p, q).exp().sum(-1)[written].sum())
        count += int(written.sum())
    return total / count


def _log_probabilities(
    target: Any, draft: Any, lessons: Sequence[Lesson]
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    longest = max(len(lesson.tokens) for lesson in lessons)
    tokens = torch.zeros(len(lessons), longest, dtype=torch.long)
    written = torch.zeros(len(lessons), longest, dtype=torch.bool)
    for row, lesson in enumerate(lessons):
        tokens[row, : len(lesson.tokens)] = torch.tensor(lesson.tokens)
        # Position i tells token i + 1.
        written[row, lesson.prompt - 1 : len(lesson.tokens) - 1] = True
    # Padding comes last, and attention is causal: no mask is needed.
    tokens = tokens.to(draft.device)
    with torch.no_grad():
        p = torch.log_softmax(target(tokens, use_cache=False).logits.float(), -1)
    q = torch.log_softmax(draft(tokens, use_cache=False).logits.float(), -1)
    return (p, q), written.to(draft.device)


def _whole_lines(file: Path) -> list[str]:
    """Lines that were written to their ends."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        file.write_text(text, encoding="utf-8")
    return text.splitlines()


def _replace(file: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that there is always a whole one."""
    partial = file.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, file)  # noqa: PTH105 -- atomic on every platform
