"""The model while it is open: in a task of its own, so that it outlives the run for which it was opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentrt.serving import ProgressSink, ServerSettings


class OpenModel:
    """One model at a time, opened when it is first asked for.

    Args:
        group: where the task that holds the model lives.
        spec: as `Runtime` takes it.

    Attributes:
        settings: how it is served; None for what suits this machine. Read when it is opened.
    """

    def __init__(self, group: TaskGroup, spec: str | Path | BaseChatModel) -> None:
        self.spec = spec
        self.settings: ServerSettings | None = None
        self._group = group
        self._model: BaseChatModel | None = None
        self._scope = anyio.CancelScope()
        self._left = anyio.Event()

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.spec) if isinstance(self.spec, str | Path) else type(self.spec).__name__

    @property
    def is_open(self) -> bool:
        """Whether asking for it takes no time."""
        return self._model is not None

    async def get(self, progress: ProgressSink | None = None) -> BaseChatModel:
        """The model, opened if need be. Raises ServingError as `open_model` does."""
        if (model := self._model) is None:
            model = self._model = await self._group.start(self._hold, progress)
        return model

    async def close(self) -> None:
        """Lets go of the model; returns when its server has been let go of too."""
        if self._model is not None:
            self._scope.cancel()
            await self._left.wait()

    async def _hold(
        self, progress: ProgressSink | None, *, task_status: TaskStatus[BaseChatModel] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        from agentrt.serving import open_model

        self._left = anyio.Event()
        try:
            with anyio.CancelScope() as self._scope:
                # A plan should be the model's best guess, the same one every time.
                options: dict[str, Any] = {"temperature": 0.0} if isinstance(self.spec, str | Path) else {}
                async with open_model(self.spec, settings=self.settings, progress=progress, **options) as model:
                    task_status.started(model)
                    await anyio.sleep_forever()
        finally:
            self._model = None
            self._left.set()
