"""The draft model inside vLLM: its own cache, a row for each request it drafts for."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from agentrt.serving.rsd.adaptive import TreeChooser, drafted_from
from agentrt.serving.rsd.drafter import Drafter, Text, moves
from agentrt.serving.rsd.errors import InvalidTree, NonFiniteLogits
from agentrt.serving.rsd.model import TreeModel, check_parameters, check_tokenizers, check_vocabularies, vocabulary_size
from agentrt.serving.rsd.sampling import IntArray
from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.tree import Tree
from agentrt.serving.rsd.vllm_plugin.requests import sampling_of, undraftable
from agentrt.serving.rsd.vllm_plugin.settings import AUTO, PluginSettings

_log = logging.getLogger("vllm.agentrt.rsd")

NOTHING: IntArray = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Drafting:
    """One request that is drafted for.

    Attributes:
        row: its row of the draft's cache.
        generator: its own noise source, for drafting and for verification.
        read: the tokens whose keys and values the row holds.
        tree: the tree proposed last.
        root: position of that tree's root.
    """

    row: int
    generator: np.random.Generator
    read: IntArray = field(default_factory=lambda: NOTHING)
    tree: Tree | None = None
    root: int = -1


class TreeProposer:
    """What vLLM makes for the method `custom_class`; the runner gives itself to it as `runner`.

    Args:
        vllm_config: vLLM's configuration.

    Raises:
        InvalidTree: the tree has more nodes than a pass may have tokens.
    """

    def __init__(self, vllm_config: Any) -> None:
        self.settings = PluginSettings.from_environment()
        self._config = vllm_config
        model, scheduler = vllm_config.model_config, vllm_config.scheduler_config
        nodes, budget = self.settings.nodes, int(scheduler.max_num_batched_tokens)
        if nodes + 1 > budget:
            raise InvalidTree(
                f"the tree {self.settings.tree} has {nodes} nodes and a pass of this server holds {budget} tokens"
                " (max_num_batched_tokens): choose a smaller tree"
            )
        auto = self.settings.tree == AUTO
        self.chooser = TreeChooser(self.settings.budget, seed=int(model.seed or 0)) if auto else None
        # None: no drafts in the next round.
        self.shape: TreeShape | None = None if auto else TreeShape.parse(self.settings.tree)
        self.seconds = 0.0
        self.runner: Any = None
        self._limit = int(model.max_model_len)
        self._seed = int(model.seed or 0)
        self._begun = 0
        rows = min(self.settings.rows, int(scheduler.max_num_seqs))
        self._free = list(range(rows))[::-1]
        self._rows = rows
        self._drafter: Drafter | None = None
        self.drafting: dict[str, Drafting] = {}

    def load_model(self, target: Any) -> None:
        """Load the draft and check that it fits the target, which vLLM has loaded.

        Raises:
            ModelPairError: it does not.
        """
        import transformers

        del target
        auto: Any = transformers
        config, folder = self._config.model_config, self.settings.draft
        if not config.skip_tokenizer_init:
            check_tokenizers(
                auto.AutoTokenizer.from_pretrained(config.tokenizer, local_files_only=True),
                auto.AutoTokenizer.from_pretrained(folder, local_files_only=True),
            )
        draft = auto.AutoModelForCausalLM.from_pretrained(folder, dtype=config.dtype, local_files_only=True)
        draft = draft.to(self._config.device_config.device)
        check_vocabularies(int(config.get_vocab_size()), vocabulary_size(draft))
        # vLLM may have repacked the target's weights: its parameters are counted in an empty copy.
        with torch.device("meta"):
            check_parameters(auto.AutoModelForCausalLM.from_config(config.hf_config), draft)
        model = TreeModel(draft, self._rows, self._limit + self.settings.nodes)
        # The cache is allocated by its first pass: before vLLM measures how much memory is left for its own.
        model.prefill(0, np.zeros(1, dtype=np.int64))
        self._drafter = Drafter(model, self.settings.support)

    def propose(
        self,
        sampled_token_ids: Sequence[Sequence[int]],
        num_tokens_no_spec: Any,
        token_ids_cpu: Any,
        slot_mappings: Any = None,
    ) -> list[list[int]]:
        """Draft tokens of every request of the batch, a tree in level order; empty where nothing is drafted.

        Args:
            sampled_token_ids: what each request has just got; nothing in the middle of a prompt.
            num_tokens_no_spec: length of each text, shape [requests].
            token_ids_cpu: the texts, shape [requests, longest].
            slot_mappings: unused.
        """
        del slot_mappings
        self.seconds = 0.0
        if self.chooser is not None:
            self.shape = self.chooser.choose(max(len(sampled_token_ids), 1))
        drafted: list[list[int]] = [[] for _ in sampled_token_ids]
        places, asked = list[int](), list[Drafting]()
        texts: list[Text] = []
        for i, new in enumerate(sampled_token_ids):
            length = int(num_tokens_no_spec[i])
            # The last token must be read and its answer stored: without room for one draft there is nothing to win.
            if not new or length + 1 >= self._limit:
                continue
            state = self._state(self.runner.input_batch.req_ids[i])
            if state is None:
                continue
            tokens = token_ids_cpu[i, :length].astype(np.int64)
            heat = sampling_of(self.runner.requests[self.runner.input_batch.req_ids[i]].sampling_params).temperature
            read = min(common_prefix(state.read, tokens), length - 1)
            texts.append(Text(state.row, tokens, read, heat, state.generator if heat > 0 else None))
            places.append(i)
            asked.append(state)
        if not texts or self._drafter is None or self.shape is None:
            return drafted
        began = time.perf_counter()
        try:
            trees = self._drafter.grow(self.shape, texts)
        except NonFiniteLogits as error:
            _log.error("Nothing is drafted any more: %s", error)
            self._drafter = None
            return drafted
        for i, state, text, tree in zip(places, asked, texts, trees, strict=True):
            state.tree, state.root, state.read = tree, len(text.tokens) - 1, text.tokens
            drafted[i] = tree.tokens[1:].tolist()
        self.seconds = time.perf_counter() - began
        return drafted

    def learn(self, tokens: int, seconds: float, rounds: Sequence[tuple[Tree, int]]) -> None:
        """Tell the chooser what the last round cost and gave.

        Args:
            tokens: tokens in the target's pass.
            seconds: its time, verification included.
            rounds: the trees that were verified whole, and how many levels of each were accepted.
        """
        if self.chooser is None:
            return
        self.chooser.target.add(tokens, seconds)
        if rounds:
            shape = rounds[0][0].shape
            levels = drafted_from(shape)
            self.chooser.draft.add(len(rounds) * round(sum(levels) / len(levels)), self.seconds / len(levels))
            self.chooser.observe(shape, [accepted for _, accepted in rounds])

    def settle(self, paths: Mapping[str, Sequence[int]]) -> None:
        """Keep what the cache holds of the accepted paths of a round."""
        if not paths or self._drafter is None:
            return
        states = [self.drafting[name] for name in paths]
        root = np.array([state.root for state in states], dtype=np.int64)
        if (found := moves(root, [*paths.values()])) is not None:
            self._drafter.model.move(np.array([state.row for state in states]), *found)
        for state, path in zip(states, paths.values(), strict=True):
            assert state.tree is not None
            # The nodes of the last level were drafted and never read.
            inner = list(path[: state.tree.shape.depth - 1])
            state.read = np.concatenate([state.read, state.tree.tokens[inner]])
            state.tree = None

    def forget(self, request: str) -> None:
        """A request has ended: its row is free."""
        state = self.drafting.pop(request, None)
        if state is not None:
            self._free.append(state.row)

    def _state(self, request: str) -> Drafting | None:
        """The request's state, made at its first draft; None if it is not drafted for."""
        known: Any = self.runner.requests[request]
        state = self.drafting.get(request)
        mode = str(self._config.model_config.logprobs_mode)
        params: Any = known.sampling_params
        plain = params is not None and not known.lora_request and not known.mm_features
        if not plain or undraftable(params, len(known.output_token_ids), mode) is not None:
            if state is not None:
                state.tree = None
            return None
        if state is None and self._free:
            seed: int | None = getattr(params, "seed", None)
            # Unseeded requests draw from the server's seed in their order, as vLLM's own sampling does.
            entropy = [self._seed, self._begun] if seed is None else [int(seed) & (2**63 - 1)]
            self._begun += 1
            state = self.drafting[request] = Drafting(self._free.pop(), np.random.default_rng(entropy))
        return state


def common_prefix(known: IntArray, tokens: IntArray) -> int:
    """How many tokens two texts share from their beginnings."""
    shared = min(len(known), len(tokens))
    differing = np.flatnonzero(known[:shared] != tokens[:shared])
    return int(differing[0]) if len(differing) else shared
