"""Our reader of tool calls inside vLLM's: whole answers, without a server."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed; pip install 'agentrt[cpu]' brings it")

# Slow, for it brings all of vLLM into the tests' own process. Importing it, torch says what it will drop one day.
pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'


def _read(text: str) -> Any:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam

    from agentrt.serving.call_parser import HermesOrJsonParser

    offered = ChatCompletionToolsParam.model_validate(
        {"type": "function", "function": {"name": "weather", "parameters": {}}}
    )
    return HermesOrJsonParser(object(), [offered]).extract_tool_calls(text, None)


def test_a_call_in_a_fence_is_a_call() -> None:
    found = _read(f"I look.\n```json\n{_CALL}\n```")
    assert [(call.function.name, call.function.arguments) for call in found.tool_calls] == [
        ("weather", '{"city": "Oslo"}')
    ]
    assert found.content == "I look.\n"


@pytest.mark.parametrize(
    "text", ["Like this:\n```json\n{", f"```json\n{_CALL[:-3]}", '```python\nx = 1\n```\n{\n  "na', "{"]
)
def test_an_answer_that_ends_before_its_call_does_stays_as_it_is(text: str) -> None:
    found = _read(text)
    assert (found.tools_called, found.content) == (False, text)
