"""What an endpoint can hold an answer to: a grammar, a JSON schema, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Constraint = Literal["grammar", "gbnf", "json", "free"]
"""`grammar` is vLLM's EBNF, `gbnf` is llama.cpp's, `json` a JSON schema, `free` nothing."""

# What these servers say of themselves in their list of models.
_OWNERS: dict[str, Constraint] = {"vllm": "grammar", "llamacpp": "gbnf"}
_PROBE: dict[str, Any] = {"title": "probe", "type": "object", "properties": {}, "additionalProperties": False}


async def strongest_constraint(model: BaseChatModel) -> Constraint:
    """The strongest constraint that the endpoint behind `model` knows.

    A server of ours is vLLM. Another one is asked for its models; if its name says nothing, it is asked for one
    token under a schema. Chat models that are not ours are not asked: `free`.

    Raises:
        RequestError: the endpoint cannot be reached, or refuses the key.
    """
    from agentrt.serving.chat_model import ChatVLLM

    if not isinstance(model, ChatVLLM):
        return "free"
    if model.obituary is not None:
        return "grammar"
    owner = await model.aowner()
    if owner in _OWNERS:
        return _OWNERS[owner]
    from agentrt.serving.errors import RequestRefused
    from agentrt.serving.structured import json_schema_format

    try:
        await model.ainvoke("{}", max_tokens=1, response_format=json_schema_format(_PROBE))
    except RequestRefused:
        return "free"
    return "json"
