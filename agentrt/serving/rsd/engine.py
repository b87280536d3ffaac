"""A small engine for any pair of transformers models: a tree of drafts, one target pass, a verified path, again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Many
from typing import Any

import numpy as np

from agentrt.serving.rsd.adaptive import TreeChooser
from agentrt.serving.rsd.capture import Recorder
from agentrt.serving.rsd.counts import Counts
from agentrt.serving.rsd.drafter import Drafter, Text, moves
from agentrt.serving.rsd.errors import ContextExceeded, EngineClosed, InvalidTree
from agentrt.serving.rsd.logits import LogitsRows
from agentrt.serving.rsd.model import TreeModel, check_pair
from agentrt.serving.rsd.request import Completion, Progress, Request
from agentrt.serving.rsd.sampling import IntArray, count
from agentrt.serving.rsd.sequence import Sequence
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.text import Decoder
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.verify import NO_TOKENS, RecursiveRejection, Verdict, Verifier

AUTO = "auto"
"""Instead of a tree: choose one from what was measured."""


class Engine:
    """Decodes requests in batches with draft trees; not for several threads at once (see `SharedEngine`).

    Args:
        target: a transformers causal language model.
        draft: one with the same vocabulary; None decodes plainly.
        tree: the tree to draft, as a shape or its text (`rsd-s:3x4`), or `auto`: see `TreeChooser`.
        decoder: tokenizer for texts and stop strings.
        verifier: recursive rejection sampling by default.
        max_batch: requests that run together; more wait.
        max_length: tokens of prompt and answer at most; by default the target's context, but no more than 4096.
        support: tokens of the draft's distribution that are kept.
        token_budget: nodes, roots included, that one target pass may hold; None leaves it unbounded.
        recorder: see `TreeModel`.
        budget: nodes a tree of `auto` may have.

    Raises:
        ModelPairError: the models do not fit together.
        InvalidTree: the tree cannot be read, or `max_batch` trees exceed `token_budget`.
    """

    def __init__(
        self,
        target: Any,
        draft: Any = None,
        *,
        tree: TreeShape | str = "rsd-s:3x4",
        decoder: Decoder | None = None,
        verifier: Verifier | None = None,
        max_batch: int = 4,
        max_length: int | None = None,
        support: int = 64,
        token_budget: int | None = None,
        recorder: Recorder | None = None,
        budget: int = 16,
    ) -> None:
        self.chooser = TreeChooser(budget) if tree == AUTO and draft is not None else None
        shape = TreeShape.parse(tree) if isinstance(tree, str) and tree != AUTO else tree
        # None: no drafts in the next round.
        self.shape: TreeShape | None = shape if isinstance(shape, TreeShape) and draft is not None else None
        nodes = budget if self.chooser is not None else self.shape.nodes if self.shape is not None else 0
        if token_budget is not None and (nodes + 1) * max_batch > token_budget:
            raise InvalidTree(
                f"{max_batch} trees {tree} need {(nodes + 1) * max_batch} nodes a pass and the budget is"
                f" {token_budget}: choose a smaller tree or batch"
            )
        if draft is not None:
            check_pair(target, draft)
        context = int(getattr(target.config, "max_position_embeddings", 4096))
        self.max_length = min(max_length or 4096, context)
        self.max_batch = max_batch
        self.counts = Counts()
        self._decoder = decoder
        self._verifier = verifier or RecursiveRejection()
        slots = self.max_length + nodes
        self._target: TreeModel | None = TreeModel(target, max_batch, slots, recorder)
        self._drafter = Drafter(TreeModel(draft, max_batch, slots, recorder), support) if draft is not None else None
        self._running: list[Sequence] = []
        self._waiting: list[Sequence] = []
        self._next = 0

    def add(self, request: Request) -> int:
        """Queue a request; returns its id.

        Raises:
            ContextExceeded: the prompt leaves no room for a token.
            EngineClosed: the engine was closed.
        """
        if self._target is None:
            raise EngineClosed("this engine was closed: make a new one")
        if len(request.prompt) >= self.max_length:
            raise ContextExceeded(
                f"the prompt has {len(request.prompt)} tokens and the context holds {self.max_length}: shorten the"
                " prompt"
            )
        self._next += 1
        self._waiting.append(Sequence(self._next, request, self._decoder, self.max_length))
        return self._next

    def cancel(self, number: int) -> None:
        """End a request at the next step, which reports it as `cancelled`; unknown and finished ones are left alone."""
        for sequence in (*self._running, *self._waiting):
            if sequence.number == number:
                sequence.cancelled = True

    @property
    def busy(self) -> bool:
        """Whether a request runs or waits."""
        return bool(self._running or self._waiting)

    def step(self) -> list[Progress]:
        """One round for every running request; finished ones make room for waiting ones.

        Raises:
            NonFiniteLogits: a model's logits hold NaN. The requests of the round are dropped.
            EngineClosed: the engine was closed.
        """
        target = self._target
        if target is None:
            raise EngineClosed("this engine was closed: make a new one")
        done = [sequence.cancel() for sequence in self._drop(lambda s: s.cancelled)]
        while self._waiting and len(self._running) < self.max_batch:
            self._running.append(self._waiting.pop(0))
        if not self._running:
            return done
        try:
            for row, sequence in enumerate(self._running):
                self._start(row, sequence, target)
            done += self._round(target)
        except BaseException:
            self._running.clear()
            raise
        self._drop(lambda s: s.finish is not None)
        return done

    def generate(self, requests: Iterable[Request]) -> list[Completion]:
        """Run requests to their ends; completions come in the order of the requests."""
        numbers = [self.add(request) for request in requests]
        wanted = {s.number: s for s in self._waiting if s.number in set(numbers)}
        while any(s.finish is None for s in wanted.values()):
            self.step()
        return [wanted[number].completion() for number in numbers]

    def close(self) -> None:
        """Free the caches; requests that still run are gone."""
        self._target = self._drafter = None
        self._running.clear()
        self._waiting.clear()

    def _drop(self, ended: Callable[[Sequence], bool]) -> list[Sequence]:
        gone = [s for s in self._waiting if ended(s)]
        self._waiting = [s for s in self._waiting if not ended(s)]
        for row in reversed(range(len(self._running))):
            if ended(self._running[row]):
                gone.append(self._running[row])
                last = self._running.pop()
                # Rows stay dense, so that a pass is one slice of the cache: the last one takes the freed place.
                if row < len(self._running):
                    self._running[row] = last
                    for model in self._models(self._target) if self._target is not None else ():
                        model.cache.copy_row(len(self._running), row)
        return gone

    def _start(self, row: int, sequence: Sequence, target: TreeModel) -> None:
        if sequence.started:
            return
        prompt = np.array(sequence.tokens[:-1], dtype=np.int64)
        target.prefill(row, prompt)
        if self._drafter is not None:
            self._drafter.model.prefill(row, prompt)
        sequence.drafted = len(prompt)
        sequence.started = True

    def _round(self, target: TreeModel) -> list[Progress]:
        running, chooser = self._running, self.chooser
        if chooser is not None:
            self.shape = chooser.choose(len(running))
        began = time.perf_counter()
        trees = self._grow() or [root_only(s.tokens[-1]) for s in running]
        drafted = time.perf_counter()
        rows = self._evaluate(target, trees)
        verdicts = [
            self._verifier.verify(tree, row, sequence.generator)
            for tree, row, sequence in zip(trees, rows, running, strict=True)
        ]
        self._compact(target, verdicts)
        if chooser is not None:
            chooser.timed(self.shape, len(running), drafted - began, time.perf_counter() - drafted)
            if self.shape is not None:
                chooser.observe(self.shape, [len(verdict.path) for verdict in verdicts])
        done: list[Progress] = []
        for sequence, tree, row, verdict in zip(running, trees, rows, verdicts, strict=True):
            tokens = verdict.tokens(tree)
            # Without a tree the draft has read nothing; its last level it never reads.
            inner = min(len(verdict.path), tree.shape.depth - 1)
            seen = len(sequence.tokens) + inner if len(tree) > 1 else sequence.drafted
            logprobs: list[float] = []
            if sequence.request.sampling.logprobs:
                logprobs = [row.logprob(node, t) for node, t in zip((0, *verdict.path), tokens, strict=True)]
            progress = sequence.extend(tokens, logprobs)
            sequence.drafted = seen
            self.counts.add(tree.shape.depth if len(tree) > 1 else 0, len(verdict.path), len(progress.tokens))
            done.append(progress)
        return done

    def _grow(self) -> list[Tree] | None:
        if self._drafter is None or self.shape is None:
            return None
        return self._drafter.grow(
            self.shape,
            [
                Text(row, np.array(s.tokens, dtype=np.int64), s.drafted, s.request.sampling.temperature, s.noise)
                for row, s in enumerate(self._running)
            ],
        )

    def _evaluate(self, target: TreeModel, trees: Many[Tree]) -> list[LogitsRows]:
        running = self._running
        base = np.array([len(s.tokens) - 1 for s in running])
        nodes = len(trees[0])
        tokens = np.stack([tree.tokens for tree in trees])
        positions = np.stack([tree.positions(int(start)) for tree, start in zip(trees, base, strict=True)])
        slots = base[:, None] + np.arange(nodes)
        span = target.span(int(base.max()) + nodes)
        visible = np.broadcast_to(np.arange(span) < base[:, None, None], (len(running), nodes, span)).copy()
        for row, tree in enumerate(trees):
            visible[row, :, base[row] : base[row] + nodes] = tree.ancestor_mask()
        logits = target.forward(count(len(running)), tokens, positions, slots, visible)
        return [LogitsRows(logits[row], s.request.sampling) for row, s in enumerate(running)]

    def _compact(self, target: TreeModel, verdicts: Many[Verdict]) -> None:
        base: IntArray = np.array([len(s.tokens) - 1 for s in self._running], dtype=np.int64)
        if (found := moves(base, [verdict.path for verdict in verdicts])) is not None:
            for model in self._models(target):
                model.move(count(len(base)), *found)

    def _models(self, target: TreeModel) -> list[TreeModel]:
        return [target] if self._drafter is None else [target, self._drafter.model]


def root_only(token: int) -> Tree:
    """A tree without drafts: its verification is plain decoding."""
    one = np.array([token], dtype=np.int64)
    zero, none = np.zeros(1), np.array([-1], dtype=np.int64)
    empty = np.empty((0, 0))
    return Tree(
        TreeShape.chain(1), one, none, np.zeros(1, dtype=np.int64), none, zero, zero, NO_TOKENS.reshape(0, 0), empty
    )
