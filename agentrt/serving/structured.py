"""Answers that fit a schema: the server holds the model to it, and the model is told what it is held to.

A model that is only held writes the first field as if it were all of the answer, and small ones then never end it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Method = Literal["json_schema", "function_calling", "json_mode"]
"""`json_schema` holds the answer to the schema, `function_calling` a call's arguments; `json_mode` just wants JSON."""


def json_schema_format(schema: dict[str, Any] | type) -> dict[str, Any]:
    """The `response_format` member of a request for a schema."""
    described = convert_to_json_schema(schema)
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in str(described.get("title", "answer")))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": described, "strict": True}}


def structured_runnable(
    model: BaseChatModel, schema: dict[str, Any] | type, *, include_raw: bool, **options: Any
) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
    """A model bound to a schema, and the parser of its answers.

    Raises:
        ValueError: An option that means nothing here.
    """
    options.pop("strict", None)
    method = options.pop("method", "json_schema")
    if method not in get_args(Method) or options:
        raise ValueError(
            f"with_structured_output takes method={' | '.join(get_args(Method))} and strict; not "
            f"{', '.join(f'{name}={value!r}' for name, value in {'method': method, **options}.items())}"
        )
    about = {"ls_structured_output_format": {"kwargs": {"method": method}, "schema": convert_to_json_schema(schema)}}
    bound, parser = _bound(model, schema, method, about)
    if not include_raw:
        return cast("Runnable[LanguageModelInput, dict[str, Any] | BaseModel]", bound | parser)

    def nothing(_: Any) -> None:
        return None

    unparsed: Runnable[Any, Any] = RunnableLambda(nothing)
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=unparsed)
    failed = RunnablePassthrough.assign(parsed=unparsed)
    # Options of a call reach the first step alone, so the model is the first one.
    as_raw: Runnable[Any, Any] = RunnableMap(raw=RunnablePassthrough())
    return bound | as_raw | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _bound(
    model: BaseChatModel, schema: dict[str, Any] | type[Any], method: Method, about: dict[str, Any]
) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
    # Classes of pydantic's first version too, whose type nobody wants to write down any more.
    model_class: type[Any] | None = cast("type[Any]", schema) if is_basemodel_subclass(cast("type", schema)) else None
    if method == "function_calling":
        tool = convert_to_openai_tool(schema)
        name = tool["function"]["name"]
        bound = model.bind_tools([tool], tool_choice=name, **about)
        if model_class is not None:
            return bound, PydanticToolsParser(tools=[model_class], first_tool_only=True)
        return bound, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    if method == "json_schema":
        bound = model.bind(response_format=json_schema_format(schema), told=True, **about)
    else:
        bound = model.bind(response_format={"type": "json_object"}, **about)
    if model_class is not None:
        return bound, PydanticOutputParser(pydantic_object=model_class)
    return bound, JsonOutputParser()


def told(messages: list[BaseMessage], response_format: object) -> list[BaseMessage]:
    """The messages with the schema of `response_format` in the system message, unless they name all of its fields."""
    wanted = cast("Mapping[str, Any]", response_format if isinstance(response_format, Mapping) else {})
    schema = wanted.get("json_schema", {}).get("schema", {})
    said = "\n".join(str(message.text) for message in messages)
    if all(name in said for name in _fields(schema)):
        return messages
    rule = f"Reply with one JSON object that fits this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    # In front, where it is the same for every question: a prefix cache serves it.
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(f"{messages[0].text}\n\n{rule}"), *messages[1:]]
    return [SystemMessage(rule), *messages]


def _fields(schema: object) -> Iterator[str]:
    """Names of all fields, at every depth."""
    if isinstance(schema, Mapping):
        rules = cast("Mapping[str, object]", schema)
        if isinstance(fields := rules.get("properties"), Mapping):
            yield from cast("Mapping[str, object]", fields)
        for part in rules.values():
            yield from _fields(part)
    elif isinstance(schema, list):
        for part in cast("list[object]", schema):
            yield from _fields(part)
