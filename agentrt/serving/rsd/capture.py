"""Passes recorded once for each shape and replayed: on a GPU a small draft model is bound by its launches.

A level of a draft tree is a forward pass over a few tokens, some hundred kernels of microseconds each. Recorded as a
CUDA graph they are one launch. Not yet run on a GPU; the bookkeeping is tested with a recorder that runs on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

import torch

Replay: TypeAlias = Callable[[], torch.Tensor]
Recorder: TypeAlias = Callable[[Callable[[], torch.Tensor]], Replay]
"""Runs a computation once and returns what repeats it on the same memory."""

WARM_UPS = 2
"""Passes before the recorded one: libraries allocate their workspaces, the cache its memory."""


class Recordings:
    """Recorded passes by shape; the oldest one is dropped when there are too many.

    Args:
        recorder: how a pass is recorded.
        limit: recordings kept.
    """

    def __init__(self, recorder: Recorder, limit: int = 256) -> None:
        self._recorder = recorder
        self._limit = limit
        self._kept: dict[Hashable, tuple[tuple[torch.Tensor, ...], Replay]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def run(
        self, key: Hashable, inputs: tuple[torch.Tensor, ...], compute: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        """`compute(*inputs)`, recorded at the first call with `key` and replayed at later ones.

        The result lives in the recording's memory: it is overwritten by the next replay of the same key.
        """
        if key not in self._kept:
            while len(self._kept) >= self._limit:
                del self._kept[next(iter(self._kept))]
            # The recording reads these addresses for ever; each call copies its inputs there.
            static = tuple(tensor.clone() for tensor in inputs)
            self._kept[key] = static, self._recorder(lambda: compute(*static))
        static, replay = self._kept[key]
        for place, tensor in zip(static, inputs, strict=True):
            place.copy_(tensor)
        return replay()


def record_cuda_graph(compute: Callable[[], torch.Tensor]) -> Replay:
    """Record `compute` as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            compute()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = compute()

    def replay() -> torch.Tensor:
        graph.replay()
        return out

    return replay
