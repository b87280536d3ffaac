"""vLLM's model runner with trees: positions and masks before a pass, verification and compaction after it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agentrt.serving.rsd.counts import Counts
from agentrt.serving.rsd.errors import UnsupportedVLLM
from agentrt.serving.rsd.logits import LogitsRows
from agentrt.serving.rsd.sampling import IntArray, count
from agentrt.serving.rsd.traversal import TraversalVerification
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.verify import RecursiveRejection, Verifier
from agentrt.serving.rsd.vllm_plugin.attention_cache import move_slots
from agentrt.serving.rsd.vllm_plugin.logprobs import path_logprobs
from agentrt.serving.rsd.vllm_plugin.proposer import Drafting, TreeProposer
from agentrt.serving.rsd.vllm_plugin.requests import sampling_of
from agentrt.serving.rsd.vllm_plugin.stage import Stage, open_stage

if TYPE_CHECKING:
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner as _Runner
else:
    # Mixed into the platform's runner, which is not this module's to import.
    _Runner = object


@dataclass(frozen=True, slots=True)
class Staged:
    """A tree in the pass that runs: the request's name and state, and the tree as far as it was scheduled."""

    request: str
    state: Drafting
    tree: Tree


class TreeRunner(_Runner):
    """What is added to a runner of vLLM; its class is changed after it was made, so `open_trees` is its start."""

    def open_trees(self) -> None:
        """Make the state that trees need.

        Raises:
            UnsupportedVLLM: the server's settings do not go together with trees.
        """
        refuse(self.vllm_config)
        proposer: Any = self.drafter
        assert isinstance(proposer, TreeProposer)
        proposer.runner = self
        self.tree_proposer = proposer
        self.tree_stage: Stage = open_stage(self.max_num_tokens, proposer.settings.nodes + 1, self.device)
        self.tree_rows: dict[int, Staged] = {}
        self.tree_counts = Counts()
        self.tree_began = 0.0
        self.tree_tokens = 0
        traversal = proposer.settings.verifier == "traversal"
        self.tree_verifier: Verifier = TraversalVerification() if traversal else RecursiveRejection()

    def initialize_kv_cache(self, kv_cache_config: Any, *args: Any, **kwargs: Any) -> None:
        """See vLLM. Refuses models whose layers need different caches."""
        if len(kv_cache_config.kv_cache_groups) != 1:
            raise UnsupportedVLLM(
                f"this model keeps {len(kv_cache_config.kv_cache_groups)} kinds of cache, and draft trees know one"
                " (full attention in every layer): serve it with another speculation"
            )
        super().initialize_kv_cache(kv_cache_config, *args, **kwargs)  # pyright: ignore[reportUnknownMemberType] -- vLLM's own annotation

    def _on_request_state_removed(self, req_id: str, req_state: Any) -> None:
        super()._on_request_state_removed(req_id, req_state)
        self.tree_proposer.forget(req_id)

    def _input_fits_in_drafter(self, common_attn_metadata: Any) -> bool:
        # vLLM asks for room for a whole draft in every request. The proposer looks at each one itself.
        return common_attn_metadata is not None

    def _prepare_inputs(self, scheduler_output: Any, num_scheduled_tokens: Any) -> Any:
        prepared = super()._prepare_inputs(scheduler_output, num_scheduled_tokens)
        self.tree_stage.clear()
        self.tree_rows.clear()
        batch, starts = self.input_batch, self.query_start_loc.np
        for request, tokens in scheduler_output.scheduled_spec_decode_tokens.items():
            row, state = batch.req_id_to_index[request], self.tree_proposer.drafting.get(request)
            first, size = int(starts[row]), len(tokens) + 1
            root = int(batch.num_computed_tokens_cpu[row])
            if state is None or state.tree is None or state.root != root or int(starts[row + 1]) - first != size:
                continue
            # A scheduler may cut a draft: the first nodes of a tree are a tree.
            tree = state.tree.cut(size)
            if tree.tokens[1:].tolist() != list(tokens):
                continue
            self.tree_rows[row] = Staged(request, state, tree)
            self.positions[first : first + size] = torch.as_tensor(tree.positions(root)).to(self.positions.device)
            self.tree_stage.put(first, root, tree.ancestor_mask())
        self.tree_tokens = int(scheduler_output.total_num_scheduled_tokens)
        self.tree_began = time.perf_counter()
        return prepared

    def _sample(self, logits: Any, spec_decode_metadata: Any) -> Any:
        if not self.tree_rows or spec_decode_metadata is None:
            sampled = super()._sample(logits, spec_decode_metadata)
            self.tree_proposer.learn(self.tree_tokens, time.perf_counter() - self.tree_began, [])
            return sampled
        from vllm.v1.outputs import SamplerOutput

        drafted: list[int] = spec_decode_metadata.num_draft_tokens
        # Each request has a row of logits for its last token and one for every draft, in this order.
        firsts = np.concatenate([count(1), np.cumsum(np.array(drafted, dtype=np.int64) + 1)[:-1]])
        told = self.input_batch.sampling_metadata.max_num_logprobs
        tokens = np.full((len(drafted), max(drafted) + 1), -1, dtype=np.int32)
        rows: IntArray = np.repeat(firsts[:, None], tokens.shape[1], axis=1)
        plain: Any = None
        if len(self.tree_rows) < len(drafted):
            # Whoever has no tree gets one token from vLLM's own sampler, with all its settings.
            plain = self.sampler(
                logits=logits[torch.as_tensor(firsts).to(logits.device)],
                sampling_metadata=self.input_batch.sampling_metadata,
            )
            tokens[:, 0] = plain.sampled_token_ids[:, 0].cpu().numpy()
        paths: dict[str, tuple[int, ...]] = {}
        for row, staged in self.tree_rows.items():
            first = int(firsts[row])
            params = self.requests[staged.request].sampling_params
            target = LogitsRows(logits[first : first + len(staged.tree)], sampling_of(params))
            verdict = self.tree_verifier.verify(staged.tree, target, staged.state.generator)
            path, text = verdict.path, verdict.tokens(staged.tree)
            tokens[row, : len(text)] = text
            rows[row, : len(text)] = first + np.array([0, *path])
            paths[staged.request] = path
            depth = int(staged.tree.depths[-1])
            self.tree_counts.add(depth, len(path), len(text))
        self._compact(paths)
        # A cut tree says nothing about its lower levels.
        whole = [(s.tree, len(paths[s.request])) for s in self.tree_rows.values() if s.tree is s.state.tree]
        self.tree_proposer.learn(self.tree_tokens, time.perf_counter() - self.tree_began, whole)
        self.tree_proposer.settle(paths)
        found = torch.as_tensor(tokens).to(logits.device)
        logprobs = None
        if told is not None:
            logprobs = path_logprobs(self.sampler, logits, rows, found, told, plain, [*self.tree_rows])
        return SamplerOutput(sampled_token_ids=found, logprobs_tensors=logprobs)

    def _compact(self, paths: dict[str, tuple[int, ...]]) -> None:
        """Move the keys and values of accepted nodes to where the next pass looks for them."""
        table = self.input_batch.block_table[0]
        size, blocks = int(table.block_size), table.get_numpy_array()
        source, to = list[int](), list[int]()
        for row, staged in self.tree_rows.items():
            for place, node in enumerate(paths[staged.request], start=1):
                if node != place:
                    for slots, position in ((source, staged.state.root + node), (to, staged.state.root + place)):
                        slots.append(int(blocks[row, position // size]) * size + position % size)
        if source:
            moved = torch.tensor([source, to], device=self.device)
            for cache in self.kv_caches:
                move_slots(cache, moved[0], moved[1])


def refuse(config: Any) -> None:
    """Refuse settings that trees do not go together with.

    Raises:
        UnsupportedVLLM: which, and what to set instead.
    """
    parallel = config.parallel_config
    odd = {
        "asynchronous scheduling": (bool(config.scheduler_config.async_scheduling), "--no-async-scheduling"),
        "several workers": (parallel.world_size > 1, "--tensor-parallel-size 1 --pipeline-parallel-size 1"),
        "data parallelism": (parallel.data_parallel_size > 1, "--data-parallel-size 1"),
        "the second model runner": (bool(config.use_v2_model_runner), "VLLM_USE_V2_MODEL_RUNNER=0"),
        "a model with M-RoPE positions": (bool(config.model_config.uses_mrope), "another speculation"),
        "logits processors": (bool(config.model_config.logits_processors), "none of them"),
    }
    for name, (there, instead) in odd.items():
        if there:
            raise UnsupportedVLLM(f"draft trees do not go together with {name}: use {instead}")
