"""Finding out what a foreign endpoint can do, by asking for what no model says by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import anyio

from agentrt.serving.capabilities import Capabilities
from agentrt.serving.errors import RequestRefused, RequestTimeout
from agentrt.serving.structured import json_schema_format

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from agentrt.serving.chat_model import ChatVLLM

# Nobody answers "Hello" with this.
_WORD = "zqxv7"
_GRAMMAR = f'root ::= "{_WORD}"'
_SCHEMA = {
    "title": "probe",
    "type": "object",
    "properties": {_WORD: {"type": "string", "enum": [_WORD]}},
    "required": [_WORD],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {
        "name": _WORD,
        "description": "Greets.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer", "enum": [7]}}, "required": ["n"]},
    },
}
_SAID = "Hello"


async def ask_for_capabilities(model: ChatVLLM) -> Capabilities:
    """Ask the endpoint of a model six small questions at once.

    Raises:
        RequestError: It cannot be reached, or refuses a plain request too.
    """
    # First a plain question: what fails here has nothing to do with what is asked for.
    await model.ainvoke(_SAID, max_tokens=1)
    found: dict[str, bool] = {}

    async def ask(name: str, shows: Callable[[AIMessage], bool], **options: Any) -> None:
        try:
            found[name] = shows(await model.ainvoke(_SAID, max_tokens=48, temperature=0, **options))
        except (RequestRefused, RequestTimeout):
            found[name] = False

    async with anyio.create_task_group() as group:
        for name, shows, options in _QUESTIONS:
            group.start_soon(lambda n=name, s=shows, o=options: ask(n, s, **o))
    grammar = "vllm" if found["vllm"] else "llama.cpp" if found["llama.cpp"] else None
    return Capabilities(grammar, found["json_schema"], found["tools"], found["logprobs"], found["choices"])


def _is_the_word(answer: AIMessage) -> bool:
    return answer.text.strip() == _WORD


def _is_the_object(answer: AIMessage) -> bool:
    try:
        return json.loads(answer.text) == {_WORD: _WORD}
    except ValueError:
        return False


def _is_the_call(answer: AIMessage) -> bool:
    return [call["name"] for call in answer.tool_calls][:1] == [_WORD]


def _has_logprobs(answer: AIMessage) -> bool:
    said = cast("dict[str, Any]", answer.response_metadata.get("logprobs") or {})
    return bool(said.get("content"))


_QUESTIONS: tuple[tuple[str, Callable[[AIMessage], bool], dict[str, Any]], ...] = (
    ("vllm", _is_the_word, {"structured_outputs": {"grammar": _GRAMMAR}}),
    ("llama.cpp", _is_the_word, {"extra_body": {"grammar": _GRAMMAR}}),
    ("choices", _is_the_word, {"structured_outputs": {"choice": [_WORD]}}),
    ("json_schema", _is_the_object, {"response_format": json_schema_format(_SCHEMA)}),
    ("tools", _is_the_call, {"tools": [_TOOL], "tool_choice": "required"}),
    ("logprobs", _has_logprobs, {"logprobs": True}),
)
