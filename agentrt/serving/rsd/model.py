"""A transformers causal language model with a slot cache: one forward pass over any set of tree nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from agentrt.serving.rsd.cache import SlotCache
from agentrt.serving.rsd.capture import Recorder, Recordings, record_cuda_graph
from agentrt.serving.rsd.errors import DraftLargerThanTarget, ModelPairError, VocabularyMismatch
from agentrt.serving.rsd.sampling import IntArray, count
from agentrt.serving.rsd.tree import BoolArray

STEP = 64
"""Attention reads a multiple of this many slots, so that few different shapes occur."""


class TreeModel:
    """One model and its cache.

    Args:
        model: any `transformers` causal language model with full attention in every layer.
        rows: requests in a batch at most.
        slots: positions a request, tree nodes included.
        recorder: records passes to replay them; by default CUDA graphs on a GPU and nothing elsewhere.
    """

    def __init__(self, model: Any, rows: int, slots: int, recorder: Recorder | None = None) -> None:
        refuse_windows(model)
        self.model: Any = model.eval()
        self.device: torch.device = model.device
        self.vocabulary = vocabulary_size(model)
        self._blocked = torch.finfo(model.dtype).min
        self._dtype: torch.dtype = model.dtype
        self._last_position = int(getattr(model.config, "max_position_embeddings", slots)) - 1
        self.cache = SlotCache(rows, -(-(slots + 1) // STEP) * STEP)
        if recorder is None and self.device.type == "cuda":
            recorder = record_cuda_graph
        self._recordings = Recordings(recorder) if recorder is not None else None

    def forward(
        self,
        rows: IntArray,
        tokens: IntArray,
        positions: IntArray,
        slots: IntArray,
        visible: BoolArray,
        *,
        keep: int = 0,
        record: bool = True,
    ) -> torch.Tensor:
        """Run the model over nodes of some rows of the cache.

        Args:
            rows: the rows, shape [b].
            tokens: token ids, shape [b, n].
            positions: their positions in the text, shape [b, n].
            slots: cache slots to write their keys and values to, shape [b, n].
            visible: which slots each node attends to, its own among them, shape [b, n, slots read].
            keep: how many of the last nodes to return logits for; 0 means all.
            record: whether a pass of this shape comes again, so that recording it pays.

        Returns:
            Logits, shape [b, keep or n, vocabulary]; with recordings they last until the next pass of this shape.
        """
        # A node past the last position is never accepted, but a table of learned positions must not be overrun.
        inputs = (self._put(tokens), self._put(np.minimum(positions, self._last_position)), self._put(slots))
        seen = torch.as_tensor(visible, device=self.device)
        span = _neighbours(rows)
        if self._recordings is None or span is None or not record or not len(rows):
            return self._run(span or self._put(rows), keep, *inputs, seen)
        key = (span.start, *visible.shape, keep)
        return self._recordings.run(key, (*inputs, seen), lambda *each: self._run(span, keep, *each))

    @torch.no_grad()
    def _run(
        self,
        rows: slice | torch.Tensor,
        keep: int,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        slots: torch.Tensor,
        visible: torch.Tensor,
    ) -> torch.Tensor:
        allowed = visible[:, None]
        mask = torch.zeros(allowed.shape, dtype=self._dtype, device=self.device).masked_fill_(~allowed, self._blocked)
        self.cache.aim(rows, slots, visible.shape[-1])
        out = self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        return out.logits

    def prefill(self, row: int, tokens: IntArray, start: int = 0, chunk: int = 512) -> None:
        """Write `tokens[start:]` of a text into the cache, `chunk` tokens at a time; those before are there."""
        for first in range(start, len(tokens), chunk):
            place = np.arange(first, min(first + chunk, len(tokens)))
            visible = np.arange(self.span(first + len(place))) <= place[:, None]
            self.forward(
                np.array([row]), tokens[None, place], place[None], place[None], visible[None], keep=1, record=False
            )

    @torch.no_grad()
    def move(self, rows: IntArray, source: IntArray, to: IntArray) -> None:
        """See `SlotCache.move`."""
        self.cache.move(self._put(rows), self._put(source), self._put(to))

    def span(self, slots: int) -> int:
        """How many slots a pass reads that needs the first `slots`, rounded up to a step."""
        return min(-(-slots // STEP) * STEP, self.cache.slots)

    def _put(self, array: IntArray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), device=self.device)


def _neighbours(rows: IntArray) -> slice | None:
    """The slice that `rows` are, if they follow each other."""
    start = int(rows[0]) if len(rows) else 0
    return slice(start, start + len(rows)) if np.array_equal(rows, count(start + len(rows), start)) else None


def vocabulary_size(model: Any) -> int:
    """Rows of the output layer."""
    return int(model.get_output_embeddings().weight.shape[0])


def refuse_windows(model: Any) -> None:
    """Refuse a model whose layers see less than all before them: a tree mask would override their windows.

    Raises:
        ModelPairError: the model has sliding-window or recurrent layers.
    """
    kinds = set(getattr(model.config, "layer_types", None) or []) - {"full_attention"}
    if kinds:
        raise ModelPairError(
            f"{type(model).__name__} has layers of kind {', '.join(sorted(kinds))}; trees need full attention in"
            " every layer: serve it without speculation"
        )


def check_pair(target: Any, draft: Any) -> None:
    """Refuse a draft that cannot, or should not, draft for the target.

    Raises:
        VocabularyMismatch: their vocabularies differ in size.
        DraftLargerThanTarget: the draft has more parameters.
    """
    check_vocabularies(vocabulary_size(target), vocabulary_size(draft))
    check_parameters(target, draft)


def check_vocabularies(target: int, draft: int) -> None:
    """Refuse vocabularies of different sizes. Raises VocabularyMismatch."""
    if target != draft:
        raise VocabularyMismatch(
            f"the target has {target} tokens and the draft {draft}: use a draft of the same model family"
        )


def check_parameters(target: Any, draft: Any) -> None:
    """Refuse a draft with more parameters than its target. Raises DraftLargerThanTarget."""
    big, small = (sum(int(p.numel()) for p in m.parameters()) for m in (target, draft))
    if small > big:
        raise DraftLargerThanTarget(f"the draft has {small:,} parameters and the target {big:,}: exchange the two")


def check_tokenizers(target: Any, draft: Any) -> None:
    """Refuse two tokenizers that give one text different ids.

    Raises:
        VocabularyMismatch: a token has another id, or is missing, in the draft's vocabulary.
    """
    ours, theirs = target.get_vocab(), draft.get_vocab()
    for token, number in ours.items():
        if theirs.get(token) != number:
            raise VocabularyMismatch(
                f"token {token!r} is {number} for the target and {theirs.get(token)} for the draft: use a"
                " draft of the same model family"
            )
