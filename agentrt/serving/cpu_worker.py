"""vLLM's CPU worker, with four things of vLLM 0.32 put right. Three are about requests that sample (temperature > 0):

- A seeded request whose prompt is read in pieces kills the engine: what it drew before its prompt was complete is taken
  back by moving the random generator's offset, and generators on a CPU have none. Here the generator's whole state is
  kept before such a draw and put back after it.
- With drafts, temperature, top-k and top-p of a request are spread over its drafted tokens by a kernel that writes
  whole numbers only, to a copy that is thrown away (vllm-project/vllm issue 55005): the logits are divided by whatever
  is in the memory. Here torch does it.
- Top-k over no drafts kills the engine.

And one about answers held to a JSON schema: see `json_spacing`.

Named by `--worker-cls`, so it needs no installed entry point; imported in the server's process only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from vllm.v1.sample import rejection_sampler
from vllm.v1.worker.cpu_model_runner import CPUModelRunner
from vllm.v1.worker.cpu_worker import CPUWorker

from agentrt.serving.json_spacing import space_json

_constrained = rejection_sampler.apply_sampling_constraints


class MendedRunner(CPUModelRunner):
    """A runner whose class is changed after it was made; it has no state beyond one pass."""

    partly_read: dict[int, tuple[Any, Any]]
    """Row of a request whose prompt this pass does not finish to its generator, and that one's state before it."""

    def _prepare_inputs(self, scheduler_output: Any, num_scheduled_tokens: Any) -> Any:
        prepared: Any = super()._prepare_inputs(scheduler_output, num_scheduled_tokens)
        # What these rows draw is thrown away.
        rows = np.nonzero(self.discard_request_mask.np[: self.input_batch.num_reqs])[0]
        drawing = self.input_batch.generators
        self.partly_read = {
            row: (drawing[row], drawing[row].get_state()) for row in map(int, rows) if drawing.get(row) is not None
        }
        return prepared

    def _bookkeeping_sync(self, *args: Any, **kwargs: Any) -> Any:
        drawing = self.input_batch.generators
        for row, (generator, state) in self.partly_read.items():
            generator.set_state(state)
            # Out of sight of the loop that would move its offset.
            del drawing[row]
        try:
            return super()._bookkeeping_sync(*args, **kwargs)
        finally:
            drawing.update({row: generator for row, (generator, _) in self.partly_read.items()})


class MendedWorker(CPUWorker):
    """Named by `--worker-cls`."""

    def init_device(self) -> None:
        """See vLLM; afterwards the runner is ours, unless it is the second one, which is built otherwise."""
        super().init_device()
        # The engines for grammars are made when the first constrained request comes, in this very process.
        space_json()
        rejection_sampler.expand_batch_to_tokens = expanded
        rejection_sampler.apply_sampling_constraints = constrained
        if type(self.model_runner) is CPUModelRunner:
            runner: Any = self.model_runner
            runner.partly_read = {}
            runner.__class__ = MendedRunner


def expanded(
    x: torch.Tensor, cu_num_tokens: torch.Tensor, num_tokens: int, replace_from: float = 0, replace_to: float = 0
) -> torch.Tensor:
    """One value a request to one a drafted token, of any type.

    Args:
        x: values, [requests].
        cu_num_tokens: drafted tokens of this request and those before it, [requests].
        num_tokens: the last of these.
        replace_from: a value to replace.
        replace_to: by this one.

    Returns:
        values, [num_tokens].
    """
    counts = torch.diff(cu_num_tokens, prepend=cu_num_tokens.new_zeros(1))
    return x.masked_fill(x == replace_from, replace_to).repeat_interleave(counts, output_size=num_tokens)


def constrained(logits: torch.Tensor, cu_num_draft_tokens: torch.Tensor, sampling_metadata: Any) -> torch.Tensor:
    """Logits of drafted tokens, [tokens, vocabulary], as temperature, top-k and top-p leave them."""
    return _constrained(logits, cu_num_draft_tokens, sampling_metadata) if logits.shape[0] else logits
