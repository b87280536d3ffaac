"""langchain's own standard suites for chat models: every feature `ChatVLLM` claims, against a real server.

What is left out, and why, stands beside each deviation; docs/serving.md lists them for users.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

pytest.importorskip("langchain_tests", reason="pip install 'agentrt[dev]' brings langchain-tests")

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from agentrt.serving import ChatVLLM

# Their coroutines carry no mark, and tests may not be overridden: it is put on where they are.
for _name, _test in vars(ChatModelIntegrationTests).items():
    if _name.startswith("test_") and inspect.iscoroutinefunction(_test):
        pytest.mark.asyncio(_test)

# The suites call the model from both worlds; connections are pooled per loop and closed by us.
_OPTIONS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 96}


class TestTheUnitSuite(ChatModelUnitTests):
    """No server: construction, binding, parameters for tracing."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": "http://127.0.0.1:1/v1", "model": "m"}

    @property
    def supports_json_mode(self) -> bool:
        return True


# A minute of a processor: what the fast tests need is in serving_vllm_test.py.
@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
class TestTheIntegrationSuite(ChatModelIntegrationTests):
    """The 0.5B behind vLLM: smaller models repeat themselves without end inside a text of a schema, or call no tool."""

    served: ChatVLLM

    @pytest.fixture(autouse=True)
    def _serve(self, qwen_server: ChatVLLM) -> Iterator[None]:
        type(self).served = qwen_server
        yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        key = self.served.api_key
        secret = SecretStr(key.get_secret_value()) if key else None
        return {"base_url": self.served.base_url, "api_key": secret, "model": self.served.model, **_OPTIONS}

    @pytest.fixture
    def model(self, request: Any) -> Iterator[BaseChatModel]:  # pyright: ignore[reportIncompatibleMethodOverride]
        params = {**self.standard_chat_model_params, **self.chat_model_params, **getattr(request, "param", {})}
        made = ChatVLLM(**params)
        yield made
        made.close()

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[Any]]:
        return {"invoke": [], "stream": []}

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str | None:
        return self.served.model
