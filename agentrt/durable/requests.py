"""Models whose replies are recorded, without importing a chat model before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor import Account
from executor.journal import Past, RunLog

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def recorded(model: BaseChatModel, log: RunLog | None, account: Account | None) -> BaseChatModel:
    """`model`, with its replies written to `log` and kept within `account`; replies in the log are not asked for."""
    from agentrt.durable.recording import ModelRecorder, RecordedChatModel

    return RecordedChatModel(inner=model, recorder=ModelRecorder(log, None if log is None else log.past, account))


def retold_model(past: Past, run_id: str) -> BaseChatModel:
    """A model that only knows what was replied then; anything else is a `Diverged`."""
    from agentrt.durable.recording import ModelRecorder, RecordedChatModel

    return RecordedChatModel(inner=None, recorder=ModelRecorder(None, past, replaying=True, run=run_id))
