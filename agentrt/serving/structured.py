"""Answers that fit a schema."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


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
    if options.pop("method", "json_schema") != "json_schema" or options:
        raise ValueError(f"structured output here is method='json_schema' without further options, not {options}")
    bound = model.bind(response_format=json_schema_format(schema))
    parser: Runnable[Any, Any]
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        parser = PydanticOutputParser(pydantic_object=schema)
    else:
        parser = JsonOutputParser()
    if not include_raw:
        return cast("Runnable[LanguageModelInput, dict[str, Any] | BaseModel]", bound | parser)

    def nothing(_: Any) -> None:
        return None

    unparsed: Runnable[Any, Any] = RunnableLambda(nothing)
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=unparsed)
    failed = RunnablePassthrough.assign(parsed=unparsed)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")
