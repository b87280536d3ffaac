"""The torch engine behind a chat model for as long as a block lasts: draft trees where there is no vLLM."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from agentrt.serving.rsd.chat_model import ChatRSD


@asynccontextmanager
async def open_chat(
    target: Path,
    draft: Path | None,
    *,
    tree: str = "rsd-s:3x4",
    device: str = "cpu",
    max_length: int | None = None,
    **options: Any,
) -> AsyncGenerator[ChatRSD]:
    """Load target and draft, and free them at the end.

    Args:
        target: checkpoint folder of the target.
        draft: checkpoint folder of the draft; None decodes plainly.
        tree: the tree to draft, or `auto`.
        device: where both live.
        max_length: tokens of prompt and answer at most.
        options: fields of `ChatRSD`, such as `temperature=0`.

    Raises:
        ModelPairError: the models do not fit together.
        InvalidTree: the tree cannot be read.
    """
    from agentrt.serving.rsd.load import load_engine

    loading = partial(load_engine, target, draft, tree=tree, device=device, max_length=max_length)
    engine, tokenizer = await anyio.to_thread.run_sync(loading)
    model = ChatRSD(engine=engine, tokenizer=tokenizer, **options)
    try:
        yield model
    finally:
        model.close()
