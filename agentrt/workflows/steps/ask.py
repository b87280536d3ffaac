"""`ask`: one request to the language model, its reply text or held to a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from agentrt.tools import tool
from agentrt.workflows.errors import NoAnswer
from agentrt.workflows.steps.stage import Stage
from executor import Parameter, Signature, Tool, as_text
from planner import Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

_LONGEST_TEXT = 4_000
_MOST_ITEMS = 100
_MAX_TOKENS = 1_024
_VALUE = "value"
_MAX_DEPTH = 32
_MOST_OBJECTS = 20


def ask_tool(stage: Stage, name: str) -> Tool:
    """The tool behind `ask` steps."""

    @tool(effect="idempotent", name=name)
    async def ask(
        prompt: Any,
        schema: dict[str, Any] | None = None,
        system: Any = None,
        temperature: float | None = None,
        max_tokens: int = _MAX_TOKENS,
    ) -> Any:
        """Asks the language model.

        Args:
            prompt: what it is asked; anything but text is shown to it as JSON.
            schema: JSON Schema its reply is held to.
            system: the system message.
            temperature: 0 for the likeliest reply.
            max_tokens: tokens a reply without schema may have.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(content=as_text(system))] if system else []
        messages.append(HumanMessage(content=as_text(prompt)))
        options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
        if schema is not None:
            return await _held(stage, messages, schema, options)
        message = await stage.model.ainvoke(messages, max_tokens=max_tokens, **options)
        stage.spend(Usage.of(message) + Usage(model_calls=1))
        return str(message.text).strip()

    return ask


async def _held(
    stage: Stage, messages: list[BaseMessage], schema: dict[str, Any], options: Mapping[str, Any]
) -> object:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    # Servers take objects only; anything else travels inside one.
    bare = schema.get("type", "object" if "properties" in schema else None) != "object"
    inner: dict[str, Any] = {"type": "object", "properties": {_VALUE: schema}} if bare else schema
    wanted: dict[str, Any] = {"title": "answer", "description": "The answer.", **tightened(inner)}
    check = Signature([Parameter("answer", wanted)], definitions=wanted.get("$defs"))
    constrained = _constrained(stage.model, wanted)
    asked = messages
    if constrained is None:
        rule = f"Reply with one JSON object that fits this JSON Schema, and nothing else:\n{json.dumps(wanted)}"
        asked = [SystemMessage(content=rule), *messages]
    trouble = text = ""
    for _ in range(2):
        if constrained is None:
            message = await stage.model.ainvoke(asked, max_tokens=_MAX_TOKENS, **options)
        else:
            message = cast("AIMessage", (await constrained.ainvoke(asked, **options))["raw"])
        stage.spend(Usage.of(message) + Usage(model_calls=1))
        text = str(message.text).strip() or _of_tool_call(message)
        try:
            value = first_object(text)
        except ValueError as error:
            trouble = str(error)
        else:
            problems = check.check({"answer": value})
            if not problems:
                return value[_VALUE] if bare else value
            trouble = "; ".join(problems)
        correction = HumanMessage(content=f"That cannot be used: {trouble}. Reply with the JSON object alone.")
        asked = [*asked, AIMessage(content=text[:_LONGEST_TEXT] or "(nothing)"), correction]
    shown = text if len(text) <= 200 else f"{text[:199]}…"
    raise NoAnswer(
        f"the model gave no answer that fits the schema, twice: {trouble}. It last wrote: {shown or '(nothing)'}"
    )


def _constrained(model: BaseChatModel, schema: dict[str, Any]) -> Any:
    try:
        return model.with_structured_output(schema, include_raw=True)
    except NotImplementedError:
        return None


def _of_tool_call(message: AIMessage) -> str:
    """What models that answer through a tool call wrote."""
    return json.dumps(message.tool_calls[0]["args"]) if message.tool_calls else ""


def tightened(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The schema as a small model should be held to it.

    Where an object does not say which fields are required all are, further ones are not allowed, and texts and
    lists have a greatest length: a small model may never end one by itself.
    """
    rules: dict[str, Any] = dict(schema)
    if depth > _MAX_DEPTH:
        return rules
    for key in ("properties", "$defs", "definitions"):
        if isinstance(inner := rules.get(key), Mapping):
            parts = cast(Mapping[str, object], inner)
            rules[key] = {name: _tight(part, depth) for name, part in parts.items()}
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(inner := rules.get(key), list):
            rules[key] = [_tight(part, depth) for part in cast(Sequence[object], inner)]
    if "items" in rules:
        rules["items"] = _tight(rules["items"], depth)
    if "properties" in rules:
        rules.setdefault("type", "object")
        rules.setdefault("required", [*rules["properties"]])
        rules.setdefault("additionalProperties", False)
    if rules.get("type") == "string" and not rules.keys() & {"enum", "const", "pattern", "format"}:
        rules.setdefault("maxLength", _LONGEST_TEXT)
    if rules.get("type") == "array":
        rules.setdefault("maxItems", _MOST_ITEMS)
    return rules


def _tight(part: object, depth: int) -> object:
    return tightened(cast(Mapping[str, Any], part), depth + 1) if isinstance(part, Mapping) else part


def first_object(text: str) -> dict[str, Any]:
    """The first JSON object in `text`. Raises ValueError."""
    decoder = json.JSONDecoder(strict=False)  # models write line breaks inside strings
    trouble = "there is no JSON object in it"
    at = text.find("{")
    for _ in range(_MOST_OBJECTS):
        if at < 0:
            break
        try:
            return cast("dict[str, Any]", decoder.raw_decode(text, at)[0])
        except (ValueError, RecursionError) as error:
            trouble = f"its JSON cannot be read ({error})"
        at = text.find("{", at + 1)
    raise ValueError(trouble)
