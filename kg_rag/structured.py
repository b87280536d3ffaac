"""Asks a language model for JSON of a given shape, and reads it out of whatever the model wrote around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, ValidationError

from kg_rag.errors import ModelReplyError

Shape = TypeVar("Shape", bound=BaseModel)


async def ask_for(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    shape: type[Shape],
    *,
    schema: Mapping[str, Any] | None = None,
) -> Shape:
    """A model's reply as an object of `shape`.

    Args:
        model: any chat model.
        messages: the request; it must say itself that JSON is wanted.
        shape: what the reply must be.
        schema: a JSON schema that goes with the request as `response_format`, by which OpenAI-compatible servers
            constrain what is written; None for models that know no such setting.

    Raises:
        ModelReplyError: the reply holds no JSON object, or one of another shape.
    """
    if schema is not None:
        described = {"name": shape.__name__.strip("_").lower(), "schema": dict(schema), "strict": True}
        reply = await model.bind(response_format={"type": "json_schema", "json_schema": described}).ainvoke(
            list(messages)
        )
    else:
        reply = await model.ainvoke(list(messages))
    return read_json(str(reply.text), shape)


def read_json(reply: str, shape: type[Shape]) -> Shape:
    """The outermost JSON object of a reply.

    Raises:
        ModelReplyError: there is none, or it has another shape.
    """
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        raise ModelReplyError("the model was asked for a JSON object and gave none", reply)
    try:
        return shape.model_validate_json(reply[start : end + 1])
    except ValidationError as error:
        what = f"the model's JSON has another shape than was asked for ({error.error_count()} errors)"
        raise ModelReplyError(what, reply) from error
