"""vLLM's CPU worker with looked-up drafts: `lookup_drafter` in the place of vLLM's own n-gram lookup.

vLLM is told `ngram`, whose way through scheduler and runner is what these drafts need too; only who proposes is
exchanged. Named by `--worker-cls`; imported in the server's process only.
"""

from __future__ import annotations

import json
import os
from typing import Any

from vllm.v1.spec_decode.ngram_proposer import NgramProposer

from agentrt.serving.cpu_worker import MendedWorker
from agentrt.serving.lookup_drafter import SETTINGS, LookupDrafter


class LookupProposer(NgramProposer):
    """Proposes for all requests of a pass."""

    def __init__(self, runner: Any) -> None:
        # vLLM's own needs buffers and a compiler; this one needs neither.
        self.max_model_len: int = runner.max_model_len
        self._batch = runner.input_batch
        self._drafter = LookupDrafter(**json.loads(os.environ[SETTINGS]))

    def propose(
        self,
        num_speculative_tokens: int,
        sampled_token_ids: list[list[int]],
        num_tokens_no_spec: Any,
        token_ids_cpu: Any,
        slot_mappings: Any = None,
    ) -> list[list[int]]:
        """See vLLM. Rows without a token are prompts that are still being read.

        Requests that sample with a seed are not drafted for: what is drafted depends on other requests, and each draft
        moves the seed's random numbers on.
        """
        del slot_mappings
        names: list[str] = self._batch.req_ids
        self._drafter.keep_only(self._batch.req_id_to_index)
        at_once = sum(map(bool, sampled_token_ids))
        drafts: list[list[int]] = []
        for row, said in enumerate(sampled_token_ids):
            length = int(num_tokens_no_spec[row])
            room = min(num_speculative_tokens, self.max_model_len - length - 1)
            if not said or room <= 0 or row in self._batch.generators:
                drafts.append([])
                continue

            def whole(row: int = row, length: int = length) -> list[int]:
                return token_ids_cpu[row, :length].tolist()

            drafts.append(self._drafter.draft(names[row], said, length, whole, at_once=at_once, room=room))
        return drafts


class LookupWorker(MendedWorker):
    """Named by `--worker-cls`."""

    def init_device(self) -> None:
        """See vLLM; afterwards the runner drafts as we do."""
        super().init_device()
        runner: Any = self.model_runner
        runner.drafter = LookupProposer(runner)
