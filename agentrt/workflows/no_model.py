"""In place of a language model, where a workflow needs none."""

from __future__ import annotations

from typing import Any, NoReturn

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from agentrt.workflows.errors import NeedsModel


class NoModel(BaseChatModel):
    """Opens at once and refuses every request: for `Runtime(NoModel(), tools)` with workflows that only call tools."""

    @property
    def _llm_type(self) -> str:
        return "none"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> NoReturn:
        raise NeedsModel
