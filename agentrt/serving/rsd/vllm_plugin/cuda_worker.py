"""vLLM's CUDA worker with the tree runner. No GPU has run this yet."""

from __future__ import annotations

from typing import Any

from vllm.v1.worker.gpu_model_runner import GPUModelRunner
from vllm.v1.worker.gpu_worker import Worker

from agentrt.serving.rsd.vllm_plugin import register
from agentrt.serving.rsd.vllm_plugin.runner import TreeRunner


class CUDATreeRunner(TreeRunner, GPUModelRunner):
    """See `TreeRunner`."""


class CUDATreeWorker(Worker):
    """Named by `--worker-cls`."""

    def init_device(self) -> None:
        """See vLLM; afterwards the runner is ours."""
        register()
        super().init_device()
        runner: Any = self.model_runner
        runner.__class__ = CUDATreeRunner
        runner.open_trees()

    def tree_counts(self) -> Any:
        """What the trees of this worker have done: see `Counts`. For `collective_rpc`."""
        runner: Any = self.model_runner
        return runner.tree_counts
