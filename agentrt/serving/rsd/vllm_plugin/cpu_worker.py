"""vLLM's CPU worker with the tree runner."""

from __future__ import annotations

from typing import Any

from agentrt.serving.cpu_worker import MendedRunner, MendedWorker
from agentrt.serving.rsd.vllm_plugin import register
from agentrt.serving.rsd.vllm_plugin.runner import TreeRunner


class CPUTreeRunner(TreeRunner, MendedRunner):
    """See `TreeRunner`."""


class CPUTreeWorker(MendedWorker):
    """Named by `--worker-cls`."""

    def init_device(self) -> None:
        """See vLLM; afterwards the runner is ours."""
        # Without the entry point (a checkout that was never installed) this is the last moment.
        register()
        super().init_device()
        runner: Any = self.model_runner
        runner.__class__ = CPUTreeRunner
        runner.open_trees()

    def tree_counts(self) -> Any:
        """What the trees of this worker have done: see `Counts`. For `collective_rpc`."""
        runner: Any = self.model_runner
        return runner.tree_counts
