"""How a vLLM server is started so that it drafts trees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agentrt.serving.rsd.shape import TreeShape
from agentrt.serving.rsd.vllm_plugin.hooks import unsupported
from agentrt.serving.rsd.vllm_plugin.settings import AUTO, VARIABLE, PluginSettings

_HERE = "agentrt.serving.rsd.vllm_plugin"


@dataclass(frozen=True, slots=True)
class Launch:
    """What to add to a server's start.

    Attributes:
        speculative_config: value of `--speculative-config`.
        arguments: further arguments.
        env: environment variables.
        note: why trees could not be used and a chain is drafted instead; None when trees are.
    """

    speculative_config: dict[str, Any]
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    note: str | None = None

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """The same for `vllm.LLM(...)`, which wants keywords; `env` must be set as well."""
        if self.note is not None:
            return {"speculative_config": self.speculative_config}
        found: dict[str, Any] = {"speculative_config": self.speculative_config, "async_scheduling": False}
        found["worker_cls"] = self.arguments[self.arguments.index("--worker-cls") + 1]
        if "--attention-backend" in self.arguments:
            found["attention_backend"] = "CUSTOM"
        return found


def launch(settings: PluginSettings, device: Literal["cpu", "cuda"] = "cpu") -> Launch:
    """Arguments and environment of a server that drafts as `settings` say.

    Where the installed vLLM lacks a hook, the same draft model drafts a chain in vLLM's own way, as deep as the
    tree, and `note` says so.

    Raises:
        InvalidTree: the tree cannot be read.
    """
    reason = unsupported(device)
    if reason is not None:
        depth = 4 if settings.tree == AUTO else min(TreeShape.parse(settings.tree).depth, 8)
        chain: dict[str, Any] = {"method": "draft_model", "model": settings.draft, "num_speculative_tokens": depth}
        return Launch(chain, note=f"{reason}: the draft proposes a chain of {depth} tokens instead of a tree")
    speculative = {
        "method": "custom_class",
        "model": f"{_HERE}.proposer.TreeProposer",
        "num_speculative_tokens": settings.nodes,
    }
    worker = "CPUTreeWorker" if device == "cpu" else "CUDATreeWorker"
    arguments = ("--worker-cls", f"{_HERE}.{device}_worker.{worker}", "--no-async-scheduling")
    if device == "cuda":
        arguments += ("--attention-backend", "CUSTOM")
    env = {VARIABLE: settings.to_json(), "VLLM_USE_V2_MODEL_RUNNER": "0"}
    return Launch(speculative, arguments, env)
