"""Speculative decoding with draft trees: tokens per target call, wall time beside it, and the cost of the mathematics.

    python -m benchmarks.rsd [--quick] [--check] [--json FILE] [--target DIR --draft DIR] [--minutes N --resume]

Without `--draft` the draft is the target with 10% of noise in its weights. The quick run needs one small checkpoint
(`--target`, or the environment variable AGENTRT_RSD_TARGET); without any only the overhead is measured.
A whole run of a large pair takes hours on a CPU: `--minutes` ends it in between, and `--resume` goes on from what FILE
holds. Cases come in order of worth, so that what is there first answers most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentrt.serving.rsd import Engine, RecursiveRejection, Request, Sampling, TraversalVerification, TreeShape
from benchmarks.report import Report, options_of, parser

OVERHEAD_TARGET_MS = 1.0
TREES = {
    6: ("chain:6", "iid:2x3", "kseq:2x3", "rsd-c:2-1-1", "rsd-s:2x3"),
    10: ("chain:10", "iid:2x5", "kseq:2x5", "rsd-c:2-1-1-1-1", "rsd-s:2x5"),
    14: ("chain:14", "iid:2x7", "kseq:2x7", "rsd-c:2-2-2", "rsd-s:2x7"),
    21: ("chain:21", "iid:3x7", "kseq:3x7", "rsd-c:3-1-1-1-1-1-1", "rsd-s:3x7"),
    30: ("chain:30", "iid:5x6", "kseq:5x6", "rsd-c:2-2-2-2", "rsd-s:5x6"),
}
CHAT = (
    "Explain why the sky is blue to a child.",
    "Write a short e-mail that moves a meeting to Thursday.",
    "What should I look at before buying a used bicycle?",
    "Name three differences between a list and a tuple in Python.",
)
PLANS = (
    "Tools: search(text), convert(value, unit). Plan, one call a line: how tall is the Eiffel Tower in feet?",
    "Tools: weather(city), email(to, text). Plan, one call a line: tell Ann whether it rains in Oslo and in Bergen.",
    "Tools: search(text), compare(a, b). Plan, one call a line: which river is longer, the Rhine or the Danube?",
)


PROMPTS = {"chat": CHAT, "plan": PLANS}
VERIFIERS = {"plain": None, "recursive": RecursiveRejection(), "traversal": TraversalVerification()}
TITLE = "tokens per target call (± is half a 95% interval over requests; ms a token in such batches)"


def overhead(report: Report, rounds: int) -> None:
    """Everything between the two models, for 30 nodes over 151,936 tokens, on one core."""
    import torch

    from agentrt.serving.rsd.growth import Growth
    from agentrt.serving.rsd.logits import LogitsRows, draft_support

    torch.set_num_threads(1)
    noise = torch.Generator().manual_seed(0)
    shape, vocabulary = TreeShape.rsd_s(5, 6), 151_936
    # Logits as a language model's are: a few tokens stand out of a wide field, the draft's near the target's.
    field = torch.randn(shape.nodes + 1, vocabulary, generator=noise) * 2
    best = torch.randint(vocabulary, (shape.nodes + 1, 12), generator=noise)
    field.scatter_(1, best, torch.arange(24.0, 12.0, -1.0).expand(shape.nodes + 1, -1))
    near = field + torch.randn(field.shape, generator=noise) * 0.5
    sampling, verifier = Sampling(), RecursiveRejection()
    times: dict[str, list[float]] = {"sampling": [], "verification": [], "round": []}
    floors: list[float] = []
    for seed in range(rounds + 3):
        rng = np.random.default_rng(seed)
        start = time.perf_counter()
        growth = Growth(shape, [0], [rng])
        first = 0
        while not growth.done:
            width = growth.frontier.shape[1]
            growth.grow(*draft_support(near[None, first : first + width], 64, np.ones(1)))
            first += width
        (tree,) = growth.trees()
        middle = time.perf_counter()
        path = verifier.verify(tree, LogitsRows(field, sampling), rng).path
        end = time.perf_counter()
        # What no program can go below that looks at every logit it needs: one maximum over each row, and no more.
        first = 0
        for width in (1, *shape.widths[:-1]):
            near[first : first + width].amax()
            first += width
        for node in (0, *path):
            field[node].amax()
        floor = time.perf_counter() - end
        if seed >= 3:
            for name, seconds in (("sampling", middle - start), ("verification", end - middle), ("round", end - start)):
                times[name].append(seconds * 1e3)
            floors.append(floor * 1e3)
    for name, values in times.items():
        target = OVERHEAD_TARGET_MS if name == "round" else None
        report.add(f"overhead of one {name}, 30 nodes", statistics.median(values), unit="ms", target=target)
    report.add("reading the logits of that round once", statistics.median(floors), unit="ms")


def pair(target: Path, draft: Path | None, dtype: str) -> tuple[Any, Any, Any]:
    """Target, draft and tokenizer."""
    import torch
    import transformers

    def load(folder: Path) -> Any:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))

    big, small = load(target), load(draft or target)
    if draft is None:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in small.parameters():
                if weight.dim() == 2:
                    weight.add_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype) * weight.std() * 0.1)
    return big, small, transformers.AutoTokenizer.from_pretrained(target)


@dataclass(frozen=True)
class Scope:
    """How much is measured."""

    kinds: list[str]
    heats: list[float]
    budgets: list[int]
    tokens: int
    seeds: int
    batch: int
    minutes: float


def acceptance(report: Report, models: tuple[Any, Any, Any], scope: Scope, known: list[list[Any]]) -> None:
    """Tokens per target call of every method, with 95% intervals over requests, and milliseconds per token beside.

    Args:
        report: where the table and the figures go.
        models: target, draft and tokenizer.
        scope: what is measured.
        known: rows of an earlier run, taken as they are.
    """
    *_, tokenizer = models
    asked = {
        kind: [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=True, return_dict=False
            )
            for text in PROMPTS[kind]
        ]
        for kind in scope.kinds
    }
    rows, done = known, {tuple(row[:5]) for row in known}
    end = time.monotonic() + scope.minutes * 60
    left = 0
    for kind, heat, budget, tree, name in cases(scope):
        if (kind, heat, budget, tree, name) in done:
            continue
        if time.monotonic() > end:
            left += 1
            continue
        requests = [
            Request(p, Sampling(temperature=heat, seed=seed, max_tokens=scope.tokens))
            for p in asked[kind]
            for seed in range(scope.seeds)
        ]
        engine = engine_of(models, tree, name, budget, scope.batch)
        rates, spent, made = run(engine, requests)
        each = [m / c for m, c in zip(made, rates, strict=True)]
        half = 1.96 * statistics.stdev(each) / len(each) ** 0.5
        rows.append([kind, heat, budget, tree, name, sum(made) / sum(rates), half, spent * 1e3 / sum(made)])
        print(*rows[-1], file=sys.stderr, flush=True)
    report.table(TITLE, ["prompts", "T", "nodes", "tree", "verifier", "tokens/call", "±", "ms/token"], rows)
    if left:
        report.note(f"{left} cases were left out for lack of time.")
    compare(report, rows)


def cases(scope: Scope) -> list[tuple[str, float, int, str, str]]:
    """Prompts, temperature, nodes, tree and verifier of every case."""
    found: list[tuple[str, float, int, str, str]] = []
    for heat in scope.heats:
        for kind in scope.kinds:
            found.append((kind, heat, 0, "chain:1", "plain"))
            for budget in scope.budgets:
                for name in ("recursive", "traversal"):
                    # K-SEQ is a verification rule itself: going leaf first over its draws is the row of `iid`.
                    trees = [t for t in TREES[budget] if name == "recursive" or not t.startswith("kseq")]
                    found += [(kind, heat, budget, tree, name) for tree in trees]
            found.append((kind, heat, max(scope.budgets), "auto", "recursive"))
    return found


def compare(report: Report, rows: list[list[Any]]) -> None:
    """RSD-S beside i.i.d. drafting, and beside the chain where the paper lets expect it ahead."""
    found = {
        (kind, heat, budget, tree.partition(":")[0], name): mean for kind, heat, budget, tree, name, mean, *_ in rows
    }
    for (kind, heat, budget, tree, name), mean in found.items():
        if tree != "rsd-s" or name != "recursive":
            continue
        for other in ("iid", "chain"):
            against = found.get((kind, heat, budget, other, name))
            if against is not None and (other == "iid" or (budget >= 14 and heat == 1)):
                what = "i.i.d." if other == "iid" else other
                report.add(
                    f"{kind} T={heat:g} {budget} nodes: RSD-S over {what}", mean / against, target=1.0, better="higher"
                )
    report.table("RSD-S over others, all cells of a temperature together", POOLED, pooled(rows))


POOLED = ["T", "nodes", "over", "cells", "ratio", "95% from", "to"]


def pooled(rows: list[list[Any]]) -> list[list[Any]]:
    """The geometric mean of RSD-S's tokens per call over another method's, with a 95% interval by the delta method."""
    found = {(k, t, n, tree.partition(":")[0], name): (mean, half) for k, t, n, tree, name, mean, half, _ in rows}
    logs: dict[tuple[float, str, str], list[tuple[float, float]]] = {}
    for (kind, heat, budget, tree, name), (mean, half) in found.items():
        for other in ("iid", "kseq", "chain"):
            against = found.get((kind, heat, budget, other, "recursive"))
            if tree == "rsd-s" and name == "recursive" and against is not None:
                spread = (half / mean) ** 2 + (against[1] / against[0]) ** 2
                nodes = "14 and more" if budget >= 14 else "below 14"
                logs.setdefault((heat, nodes, other), []).append((math.log(mean / against[0]), spread))
    return [
        [heat, nodes, other, len(cells), *(math.exp(middle + side * half) for side in (0, -1, 1))]
        for (heat, nodes, other), cells in sorted(logs.items())
        for middle in [statistics.mean(log for log, _ in cells)]
        for half in [sum(spread for _, spread in cells) ** 0.5 / len(cells)]
    ]


def engine_of(models: tuple[Any, Any, Any], tree: str, verifier: str, budget: int, batch: int) -> Engine:
    """The engine of a case."""
    target, draft, _ = models
    if verifier == "plain":
        return Engine(target, tree="chain:1", max_batch=batch, max_length=512)
    return Engine(
        target, draft, tree=tree, verifier=VERIFIERS[verifier], max_batch=batch, max_length=512, budget=budget
    )


def run(engine: Engine, requests: list[Request]) -> tuple[list[int], float, list[int]]:
    """Target calls and tokens of each request, and the seconds all took."""
    numbers = {engine.add(request): i for i, request in enumerate(requests)}
    calls, made = [0] * len(requests), [0] * len(requests)
    start = time.perf_counter()
    while engine.busy:
        for progress in engine.step():
            calls[numbers[progress.request]] += 1
            made[numbers[progress.request]] += len(progress.tokens)
    return calls, time.perf_counter() - start, made


def known_rows(file: Path | None) -> list[list[Any]]:
    """Rows that an earlier run wrote to `file`."""
    if file is None or not file.exists():
        return []
    tables = json.loads(file.read_text())["tables"]
    return next((table["rows"] for table in tables if table["title"] == TITLE), [])


def main() -> int:
    line: argparse.ArgumentParser = parser(__doc__)
    line.add_argument("--target", type=Path, default=os.environ.get("AGENTRT_RSD_TARGET"), help="checkpoint folder")
    line.add_argument("--draft", type=Path, help="checkpoint folder of a smaller model with the same vocabulary")
    line.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    line.add_argument("--budgets", type=int, nargs="+", choices=list(TREES), help="nodes a tree")
    line.add_argument("--heats", type=float, nargs="+", help="temperatures")
    line.add_argument("--prompts", nargs="+", choices=list(PROMPTS), help="kinds of prompts")
    line.add_argument("--tokens", type=int, help="tokens an answer")
    line.add_argument("--seeds", type=int, help="answers a prompt")
    line.add_argument("--batch", type=int, default=4, help="requests at once")
    line.add_argument("--minutes", type=float, default=math.inf, help="start no case after so many minutes")
    line.add_argument("--resume", action="store_true", help="go on from the rows in --json FILE")
    parsed = line.parse_args()
    options = options_of(parsed)
    report = Report("rsd", packages=["torch", "transformers", "numpy"], quick=options.quick)
    import torch

    threads = torch.get_num_threads()
    overhead(report, 30 if options.quick else 200)
    torch.set_num_threads(threads)
    if parsed.target is None:
        report.note("No checkpoint was given (--target): only the overhead was measured.")
    else:
        models = pair(Path(parsed.target), parsed.draft, parsed.dtype)
        what = "a smaller model" if parsed.draft else "the target with 10% weight noise"
        report.note(f"Target {models[0].num_parameters():,} parameters, draft: {what}; {parsed.dtype}.")
        quick = options.quick
        scope = Scope(
            parsed.prompts or (["chat"] if quick else list(PROMPTS)),
            parsed.heats or ([1.0] if quick else [1.0, 0.6, 0.0]),
            parsed.budgets or ([6, 14] if quick else list(TREES)),
            parsed.tokens or (20 if quick else 64),
            parsed.seeds or (1 if quick else 3),
            parsed.batch,
            parsed.minutes,
        )
        report.note(
            f"{scope.tokens} tokens an answer, {scope.seeds} answers a prompt, {len(CHAT)} or {len(PLANS)} prompts,"
            f" batches of {scope.batch}."
        )
        known = known_rows(options.json) if parsed.resume else []
        acceptance(report, models, scope, known)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
