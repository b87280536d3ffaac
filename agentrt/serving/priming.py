"""Having a server of ours read the beginning of a prompt before somebody asks: its prefix cache keeps it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_log = logging.getLogger(__name__)
# Higher is later: never before a request that somebody waits for.
_LATER = 1
_SECONDS = 60.0


def keeps_prefixes(model: BaseChatModel) -> bool:
    """Whether a chat model is served by a vLLM that agentrt started: those have a prefix cache and priorities."""
    from agentrt.serving.chat_model import ChatVLLM

    return isinstance(model, ChatVLLM) and model.obituary is not None


async def prime(model: BaseChatModel, messages: list[BaseMessage], **options: Any) -> bool:
    """Ask for one token after `messages`, so that a later prompt with the same beginning is read faster.

    Args:
        model: a chat model; nothing is sent to one whose server is not ours.
        messages: how the later prompt begins.
        options: of the request, such as a grammar, which the server then has compiled.

    Returns:
        Whether the server has read it. A request that fails is no error: whoever asks next will see.
    """
    from agentrt.serving.errors import ServingError

    if not keeps_prefixes(model):
        return False
    wish: dict[str, Any] = {"priority": _LATER, **options, "max_tokens": 1}
    try:
        with anyio.move_on_after(_SECONDS) as patience:
            await model.ainvoke(messages, None, **wish)
    except ServingError as error:
        _log.debug("a prompt could not be read ahead: %s", error)
        return False
    return not patience.cancelled_caught
