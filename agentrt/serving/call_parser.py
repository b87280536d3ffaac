"""A reader of tool calls for vLLM (`--tool-parser-plugin`): as `hermes`, and calls that are written as plain JSON too.

Imported in the server's process only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vllm.tool_parsers.abstract_tool_parser import ToolParserManager
from vllm.tool_parsers.hermes_tool_parser import Hermes2ProToolParser

from agentrt.serving.call_texts import CallTexts
from agentrt.serving.settings import OUR_TOOL_PARSER


class HermesOrJsonParser(Hermes2ProToolParser):
    """Named by `--tool-call-parser`."""

    def __init__(self, tokenizer: Any, tools: Any = None) -> None:
        super().__init__(tokenizer, tools)
        offered: list[Any] = list(self.tools)
        self._texts = CallTexts(str(tool.function.name) for tool in offered if hasattr(tool, "function"))

    def extract_tool_calls(self, model_output: str, request: Any) -> Any:
        """See vLLM. Where there is no whole call the text stays as it is, what was held back included."""
        found = super().extract_tool_calls(self._texts.tagged(model_output), request)
        return found if found.tools_called else super().extract_tool_calls(model_output, request)

    def extract_tool_calls_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: Any,
    ) -> Any:
        """See vLLM. The reader above looks at nothing but the text so far."""
        tagged = self._texts.tagged(current_text)
        return super().extract_tool_calls_streaming(
            previous_text, tagged, delta_text, previous_token_ids, current_token_ids, delta_token_ids, request
        )


# Not as a decorator, which would make it any parser to a type checker.
_register: Any = ToolParserManager.register_module
_register(OUR_TOOL_PARSER, module=HermesOrJsonParser)
